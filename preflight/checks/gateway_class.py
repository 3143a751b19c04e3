"""The class of the stack's Gateway: there, and accepted by a controller."""

from collections.abc import Iterator

from preflight.answers import Object, Question
from preflight.facts import Facts
from preflight.finding import Finding, error

CLASSES = Question("/apis/gateway.networking.k8s.io/v1/gatewayclasses")
PATH = "serving.gateway.provider"


def asks(facts: Facts) -> list[Question]:
    """All classes, a cluster has a few; nothing where the stack declares no Gateway."""
    return [CLASSES] if _declared(facts) else []


def check(facts: Facts) -> Iterator[Finding]:
    """A class that is absent or not Accepted. Another check reports a kind that is not served."""
    args = facts.plan.gateway
    if not _declared(facts):
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
        yield error(
            "gateway class",
            PATH,
            f"there is no GatewayClass {name}; the cluster has {', '.join(sorted(classes)) or 'none'}",
            waits,
            f"install {args.provider}, its inference extension switched on, or set {PATH} to the one that is there",
        )
    elif (state := _accepted(classes[name])) != "True":
        yield error(
            "gateway class",
            PATH,
            f"GatewayClass {name} is not accepted by its controller {classes[name]['spec']['controllerName']}: {state}",
            waits,
            f"see that the controller of {args.provider} runs, and its log",
        )


def _declared(facts: Facts) -> bool:
    return not facts.plan.gateway.standalone and not facts.plan.gateway.existing


def _accepted(gateway_class: Object) -> str:
    for each in (gateway_class.get("status") or {}).get("conditions") or []:
        if each["type"] == "Accepted":
            return "True" if each["status"] == "True" else f"{each.get('reason', '')} {each.get('message', '')}".strip()
    return "it has said nothing about it"
