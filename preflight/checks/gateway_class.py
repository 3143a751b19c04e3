"""The Gateway's class: there, and accepted by a controller. Somebody else's Gateway: there."""

from collections.abc import Iterator

from preflight.answers import Object, Question
from preflight.facts import Facts
from preflight.finding import Finding, Severity

CLASSES = Question("/apis/gateway.networking.k8s.io/v1/gatewayclasses")
PATH = "serving.gateway.provider"


def asks(facts: Facts) -> list[Question]:
    """All classes, a cluster has a few; or the one Gateway; or nothing, for an Envoy of our own."""
    return [] if facts.plan.gateway.standalone else [Question(_existing(facts) or CLASSES.path)]


def check(facts: Facts) -> Iterator[Finding]:
    """Absent or not Accepted; nothing where the kind itself is not served, which is told elsewhere."""
    args = facts.plan.gateway
    if args.standalone:
        return
    if args.existing:
        if facts.get(_existing(facts)).absent:
            yield Finding(
                "gateway",
                Severity.ERROR,
                "serving.gateway.existing.name",
                f"there is no Gateway {args.existing.name} in namespace {args.existing.namespace}",
                "the route would belong to nothing: no request would arrive",
                "name one of `kubectl get gateways --all-namespaces`, or take serving.gateway.existing out",
            )
        return
    name = args.class_name
    answer = facts.asked(CLASSES)
    if not answer.ok:
        return
    classes = {each["metadata"]["name"]: each for each in answer.items}
    waits = (
        "`pulumi up` would wait ten minutes for the Gateway, then fail" if args.awaited else "no request would arrive"
    )
    if name not in classes:
        yield Finding(
            "gateway class",
            Severity.ERROR,
            PATH,
            f"there is no GatewayClass {name}; the cluster has {', '.join(sorted(classes)) or 'none'}",
            waits,
            f"install {args.provider}, its inference extension switched on, or set {PATH} to the one that is there",
        )
    elif (state := _accepted(classes[name])) != "True":
        yield Finding(
            "gateway class",
            Severity.ERROR,
            PATH,
            f"GatewayClass {name} is not accepted by its controller {classes[name]['spec']['controllerName']}: {state}",
            waits,
            f"see that the controller of {args.provider} runs, and its log",
        )


def _existing(facts: Facts) -> str:
    """Path of somebody else's Gateway; empty for one of our own."""
    given = facts.plan.gateway.existing
    return f"/apis/gateway.networking.k8s.io/v1/namespaces/{given.namespace}/gateways/{given.name}" if given else ""


def _accepted(gateway_class: Object) -> str:
    for each in (gateway_class.get("status") or {}).get("conditions") or []:
        if each["type"] == "Accepted":
            return "True" if each["status"] == "True" else f"{each.get('reason', '')} {each.get('message', '')}".strip()
    return "it has said nothing about it"
