"""The status that the Gateway API prescribes (v1.4), from the model and from what its Envoys run."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.gateway.clusters import Json
from sandbox.gateway.model import Gateway, Listener, PoolParent, RouteParent, Verdict, Verdicts
from sandbox.gateway.store import Object


@dataclass(frozen=True)
class Operation:
    """How far a Gateway is in operation."""

    programmed: Verdict
    addresses: tuple[tuple[str, str], ...]
    """Type and value of each."""


def gateway_class(one: Object, now: str) -> Json:
    """Return the status of a GatewayClass of ours."""
    verdicts = {"Accepted": Verdict(True, "Accepted", "handled by the sandbox's gateway controller")}
    return {"conditions": _conditions(one, _of(one), verdicts, now)}


def gateway(one: Gateway, operation: Operation, now: str) -> Json:
    """Return the status of a Gateway."""
    status = one.spec.get("status") or {}
    former = {listener["name"]: listener for listener in status.get("listeners") or ()}
    verdicts = {"Accepted": one.accepted, "Programmed": operation.programmed}
    return {
        "addresses": [{"type": kind, "value": value} for kind, value in operation.addresses],
        "conditions": _conditions(one.spec, _of(one.spec), verdicts, now),
        "listeners": [
            _listener(one, listener, operation, former.get(listener.spec["name"], {}), now)
            for listener in one.listeners
        ],
    }


def route(one: Object, parents: Iterable[RouteParent], ours: frozenset[str], now: str) -> Json:
    """Return the status of an HTTPRoute; entries of controllers other than `ours` stay."""
    former = (one.get("status") or {}).get("parents") or []
    result = [parent for parent in former if parent["controllerName"] not in ours]
    for parent in parents:
        identity = {"parentRef": dict(parent.reference), "controllerName": parent.controller}
        result.append({**identity, **_parent(one, former, identity, parent.verdicts, now)})
    return {"parents": result}


def pool(one: Object, parents: Iterable[PoolParent], ours: frozenset[str], now: str) -> Json:
    """Return the status of an InferencePool; entries of controllers other than `ours` stay."""
    former = (one.get("status") or {}).get("parents") or []
    result = [parent for parent in former if parent.get("controllerName") not in ours]
    for parent in parents:
        namespace, name = parent.gateway
        reference = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "namespace": namespace, "name": name}
        identity = {"parentRef": reference, "controllerName": parent.controller}
        result.append({**identity, **_parent(one, former, identity, parent.verdicts, now)})
    return {"parents": result}


def _listener(one: Gateway, listener: Listener, operation: Operation, former: Mapping[str, Any], now: str) -> Json:
    programmed = operation.programmed
    if not listener.usable:
        programmed = Verdict(False, "Invalid", "the listener isn't valid")
    verdicts = {**listener.verdicts, "Programmed": programmed}
    return {
        "name": listener.spec["name"],
        "attachedRoutes": listener.attached,
        "supportedKinds": listener.kinds,
        "conditions": _conditions(one.spec, former.get("conditions") or [], verdicts, now),
    }


def _parent(one: Object, former: Iterable[Any], identity: Json, verdicts: Verdicts, now: str) -> Json:
    before: Mapping[str, Any] = next(
        (entry for entry in former if {key: entry.get(key) for key in identity} == identity), {}
    )
    return {"conditions": _conditions(one, before.get("conditions") or [], verdicts, now)}


def _of(one: Object) -> list[Json]:
    return list((one.get("status") or {}).get("conditions") or [])


def _conditions(one: Object, former: list[Json], verdicts: Verdicts, now: str) -> list[Json]:
    """Write verdicts as conditions; the time of the last transition is kept where there was none."""
    before = {condition["type"]: condition for condition in former}
    result = []
    for kind, verdict in verdicts.items():
        status = str(verdict.good != (kind == "Conflicted"))
        same = before.get(kind, {}).get("status") == status
        result.append(
            {
                "type": kind,
                "status": status,
                "reason": verdict.reason,
                "message": verdict.message,
                "observedGeneration": one["metadata"].get("generation", 0),
                "lastTransitionTime": before[kind]["lastTransitionTime"] if same else now,
            }
        )
    return result
