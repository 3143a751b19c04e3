"""Rules of readiness, by an object's kind and its `pulumi.com/*` annotations, with texts about its progress.

A Service is ready when its load balancer has an address. The official plugin's wait for endpoints is left out: all
other Services of the program have `pulumi.com/skipAwait`.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sandbox.cluster.api import Object, is_true
from sandbox.engine.kubernetes.state import UNKNOWN

SKIP_AWAIT = "pulumi.com/skipAwait"
WAIT_FOR = "pulumi.com/waitFor"
REPLACE_UNREADY = "pulumi.com/replaceUnready"
"""On a Job that is not complete: the next `up` replaces it, so that it runs again."""


@dataclass(frozen=True)
class Condition:
    """A condition of `pulumi.com/waitFor`: a status condition, or a field (None = any value)."""

    field: tuple[str, ...]
    want: str | None
    is_condition: bool


def annotations_of(obj: dict[str, Any]) -> dict[str, Any]:
    """Return the object's annotations; none while they are unknown."""
    found = (obj.get("metadata") or {}).get("annotations")
    return found if isinstance(found, dict) else {}


def conditions(obj: dict[str, Any]) -> list[Condition]:
    """Return the conditions of `waitFor`. Raises ValueError if it can't be parsed."""
    text = annotations_of(obj).get(WAIT_FOR, "")
    if text is UNKNOWN or not text:
        return []
    items = json.loads(text) if text.startswith("[") else [text]
    return [_condition(str(item)) for item in items]


def _condition(text: str) -> Condition:
    form, _, rest = text.partition("=")
    if form == "condition" and rest:
        kind, _, want = rest.partition("=")
        return Condition((kind,), want or "True", True)
    if form == "jsonpath" and rest.startswith("{."):
        path, closed, want = rest.removeprefix("{.").partition("}")
        if closed and not {*path} & {*"[]*?@'"}:
            return Condition(tuple(path.split(".")), want.removeprefix("=") or None, False)
    raise ValueError(f"{text!r} is neither condition=Type[=Status] nor jsonpath={{.path}}[=value]")


@dataclass(frozen=True)
class Progress:
    """An object's progress: the line to show, and the reasons for the error at the timeout."""

    ready: bool
    message: str = ""
    reasons: tuple[str, ...] = ()
    failed: bool = False
    """Whether it cannot become ready any more."""


Rule = Callable[[Object], Progress]
READY = Progress(True)


def rule(inputs: Object) -> Rule | None:
    """Return the rule to wait for; None = no wait."""
    if annotations_of(inputs).get(SKIP_AWAIT) == "true":
        return None
    wanted = conditions(inputs)
    if wanted:
        return lambda live: _wanted(wanted, live)
    if inputs["kind"] == "Secret" and inputs.get("type") != "kubernetes.io/service-account-token":
        return None
    if inputs["kind"] == "Service" and inputs["spec"].get("type") != "LoadBalancer":
        return None
    return _RULES.get((inputs["apiVersion"], inputs["kind"]))


def _wanted(wanted: list[Condition], live: Object) -> Progress:
    missing = [text for text in (_unmet(condition, live) for condition in wanted) if text]
    return Progress(not missing, missing[0] if missing else "", tuple(missing))


def _unmet(condition: Condition, live: Object) -> str:
    if condition.is_condition:
        kind, want = str(condition.field[0]), condition.want
        for found in _list(live, "status", "conditions"):
            if str(found.get("type", "")).lower() == kind.lower():
                seen = found.get("observedGeneration", live["metadata"].get("generation", 0))
                current = seen >= live["metadata"].get("generation", 0)
                met = current and str(found.get("status", "")).lower() == str(want).lower()
                return "" if met else f"Resource has condition {kind}={found.get('status')} (want {want})"
        return f"Resource has no condition {kind} yet (want {want})"
    value: Any = live
    for part in condition.field:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return f"Resource has no {'.'.join(map(str, condition.field))} yet"
    met = condition.want is None or str(value) == condition.want
    return "" if met else f"Resource has {'.'.join(map(str, condition.field))}={value} (want {condition.want})"


def _load_balancer(live: Object) -> Progress:
    """Progress of a Service of type LoadBalancer: it needs an address."""
    balancer = (live.get("status") or {}).get("loadBalancer") or {}
    reason = "Service was not allocated an IP address; does your cloud provider support this?"
    return Progress(bool(balancer.get("ingress")), "Waiting for the load balancer's address", (reason,))


def _deployment(live: Object) -> Progress:
    status, wanted = live.get("status") or {}, live["spec"].get("replicas", 1)
    available = min(status.get("availableReplicas", 0), status.get("updatedReplicas", 0))
    observed = status.get("observedGeneration", 0) >= live["metadata"]["generation"]
    rolled = status.get("updatedReplicas", 0) == status.get("replicas", 0)
    if observed and rolled and available >= wanted and is_true(live, "Available"):
        return READY
    reasons = [
        f"[{condition['reason']}] {condition['message']}"
        for condition in _list(live, "status", "conditions")
        if condition["status"] == "False"
    ]
    if available < wanted:
        reasons.append("Minimum number of live Pods was not attained")
        counts = f"{available}/{wanted} Pods available"
        return Progress(False, f"[1/2] Waiting for app ReplicaSet to be available ({counts})", tuple(reasons))
    return Progress(False, "[1/2] Waiting for the Pods of the previous ReplicaSet to go", tuple(reasons))


def _job(live: Object) -> Progress:
    if is_true(live, "Complete"):
        return READY
    found = [each for each in _list(live, "status", "conditions") if each["type"] == "Failed"]
    reasons = tuple(f"[{each.get('reason')}] {each.get('message')}" for each in found)
    return Progress(False, "Waiting for the Job to complete", reasons, failed=is_true(live, "Failed"))


def _token(live: Object) -> Progress:
    return Progress("token" in (live.get("data") or {}), "Waiting for the service account's token")


def _list(live: Object, *keys: str) -> list[Any]:
    value: Any = live
    for key in keys:
        value = (value or {}).get(key)
    return value or []


_RULES: dict[tuple[str, str], Rule] = {
    ("apps/v1", "Deployment"): _deployment,
    ("batch/v1", "Job"): _job,
    ("v1", "Service"): _load_balancer,
    ("v1", "Secret"): _token,
}
