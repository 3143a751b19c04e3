"""The existing Gateway: it is there, and one of its listeners takes the stack's route.

Source of the rules: kubernetes-sigs/gateway-api v1.3.0, apis/v1/gateway_types.go (`AllowedRoutes`, `RouteNamespaces`,
`Listener.Hostname`) and apis/v1/shared_types.go (`ParentReference.SectionName`).
"""

from collections.abc import Iterator, Mapping, Sequence

from components.gateways.args import ExistingArgs
from components.names import NAMESPACE_NAME
from preflight.answers import Object, Question
from preflight.facts import Facts
from preflight.finding import Finding, error
from preflight.matching import selected

PATH = "serving.gateway.existing"
OUTCOME = "the route would belong to nothing: no request would arrive"


def asks(facts: Facts) -> list[Question]:
    """The Gateway and the stack's namespace; nothing where the stack declares a Gateway."""
    given = facts.plan.gateway.existing
    return [_gateway(given), _namespace(facts)] if given else []


def check(facts: Facts) -> Iterator[Finding]:
    """The Gateway exists, has the listener, and the listener admits the route."""
    given = facts.plan.gateway.existing
    if given is None:
        return
    answer = facts.asked(_gateway(given))
    if answer.absent:
        yield _finding(
            "name",
            f"there is no Gateway {given.name} in namespace {given.namespace}",
            f"name one of `kubectl get gateways --all-namespaces`, or take {PATH} out",
        )
    listeners = (answer.body.get("spec") or {}).get("listeners") or [] if answer.ok else []
    candidates = [each for each in listeners if given.listener in (None, each["name"])]
    if listeners and not candidates:
        has = ", ".join(each["name"] for each in listeners)
        yield _finding(
            "listener",
            f"Gateway {given.namespace}/{given.name} has no listener {given.listener}; it has {has}",
            "name one of them, or leave it unset: then every listener that admits the route takes it",
        )
    why = [f"listener {each['name']} {reason}" for each in candidates if (reason := _refuses(each, given, facts))]
    if candidates and len(why) == len(candidates):
        ways = ["have the Gateway's owner admit it (spec.listeners[].allowedRoutes)"]
        if any("takes routes of namespaces with" in each for each in why):
            ways.append(
                "give the namespace the labels: `kubectl label namespace`; it must exist for that, with "
                "serving.createNamespace false"
            )
        if any(" is for " in each for each in why):
            ways = ["name hosts of the listener in serving.gateway.route.hostnames, or another listener"]
        yield _finding(
            "listener" if given.listener else "name",
            f"Gateway {given.namespace}/{given.name} does not admit the route: {'; '.join(why)}",
            ", or ".join(ways),
        )


def _refuses(listener: Object, given: ExistingArgs, facts: Facts) -> str:
    """Why a listener does not take the stack's route; empty: it does, or that is unknown."""
    allowed = listener.get("allowedRoutes") or {}
    kinds = [each["kind"] for each in allowed.get("kinds") or []]
    if kinds and "HTTPRoute" not in kinds:
        return f"takes no HTTPRoute, but {', '.join(kinds)}"
    hosts, hostname = facts.plan.gateway.route.hostnames, listener.get("hostname")
    if hosts and hostname and not any(_meet(each, hostname) for each in hosts):
        return f"is for {hostname}, and the route for {', '.join(hosts)}"
    namespaces = allowed.get("namespaces") or {}
    admits = namespaces.get("from", "Same")
    if admits == "Same" and facts.namespace != given.namespace:
        return f"takes routes of its own namespace {given.namespace} alone, and the route is in {facts.namespace}"
    if admits == "None":
        return "takes no route"
    labels = _labels(facts)
    if admits == "Selector" and labels is not None and not selected(namespaces.get("selector"), labels):
        has = ", ".join(f"{key}={value}" for key, value in labels.items())
        return f"takes routes of namespaces with {_spoken(namespaces.get('selector'))}, and {facts.namespace} has {has}"
    return ""


def _labels(facts: Facts) -> Mapping[str, str] | None:
    """Labels of the stack's namespace, as they are or will be; None: unknown."""
    answer = facts.asked(_namespace(facts))
    create = facts.plan.namespace.create
    if not answer.ok and not (answer.absent and create):
        return None
    there = (answer.body.get("metadata") or {}).get("labels") or {} if answer.ok else {}
    return {NAMESPACE_NAME: facts.namespace, **there, **(facts.plan.namespace.labels if create else {})}


def _spoken(selector: Object | None) -> str:
    exact = [f"{key}={value}" for key, value in ((selector or {}).get("matchLabels") or {}).items()]
    rules: Sequence[Object] = (selector or {}).get("matchExpressions") or []
    spoken = [" ".join([each["key"], each["operator"], *(each.get("values") or [])]) for each in rules]
    return ", ".join([*exact, *spoken]) or "a selector that fits none"


def _meet(one: str, other: str) -> bool:
    """Whether two host names have a name in common; `*.` stands for one or more labels."""
    if one.startswith("*.") and other.startswith("*."):
        return one[1:].endswith(other[1:]) or other[1:].endswith(one[1:])
    if one.startswith("*."):
        one, other = other, one
    return one.endswith(other[1:]) if other.startswith("*.") else one == other


def _gateway(given: ExistingArgs) -> Question:
    return Question(f"/apis/gateway.networking.k8s.io/v1/namespaces/{given.namespace}/gateways/{given.name}")


def _namespace(facts: Facts) -> Question:
    return Question(f"/api/v1/namespaces/{facts.namespace}")


def _finding(setting: str, evidence: str, remedy: str) -> Finding:
    return error("gateway", f"{PATH}.{setting}", evidence, OUTCOME, remedy)
