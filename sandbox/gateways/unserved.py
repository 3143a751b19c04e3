"""Writes a status for Gateways without a controller in the sandbox: `up` completes, and no request is served.

The sandbox can't build the controllers of kgateway, agentgateway and GKE. Their Gateways become Programmed, with a
message that explains it. Routes and pools get no status.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

CLASSES: Mapping[str, str] = MappingProxyType(
    {
        "kgateway": "kgateway.dev/kgateway",
        "agentgateway": "agentgateway.dev/agentgateway",
        "agentgateway-v2": "kgateway.dev/agentgateway",
        "gke-l7-regional-external-managed": "networking.gke.io/gateway",
        "gke-l7-rilb": "networking.gke.io/gateway",
    }
)
"""`spec.controllerName` by GatewayClass, as in the controllers' installations."""

SIMULATED: Mapping[str, str] = MappingProxyType(
    {
        "istio": "istio.io/gateway-controller",
        "data-science-gateway-class": "openshift.io/gateway-controller/v1",
    }
)
"""istiod's classes, for a machine that runs no pods."""

NOT_SERVED = "not served here: the sandbox has no controller of GatewayClass"
"""Beginning of the message of every condition below."""

_GROUP = "/apis/gateway.networking.k8s.io/v1"


def statuses(
    world: Mapping[str, Mapping[tuple[str, str], Mapping[str, Any]]], *, simulated: bool
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield path and body of every missing class and status; `simulated`: for istiod's classes, too."""
    classes = {**CLASSES, **(SIMULATED if simulated else {})}
    for name, controller in classes.items():
        path, present = f"{_GROUP}/gatewayclasses/{name}", world["GatewayClass"].get(("", name))
        if present is None:
            head = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "GatewayClass", "metadata": {"name": name}}
            yield path, {**head, "spec": {"controllerName": controller}}
        elif present["spec"]["controllerName"] == controller:
            yield from _missing(path, present, name, ("Accepted",))
    for (namespace, name), gateway in world["Gateway"].items():
        class_name = gateway["spec"]["gatewayClassName"]
        if class_name in classes:
            path = f"{_GROUP}/namespaces/{namespace}/gateways/{name}"
            yield from _missing(path, gateway, class_name, ("Accepted", "Programmed"))


def _missing(
    path: str, one: Mapping[str, Any], class_name: str, kinds: tuple[str, ...]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the status if the object lacks it for its present generation."""
    generation = one["metadata"].get("generation", 0)
    known = {each["type"]: each for each in one.get("status", {}).get("conditions") or ()}
    if all(known.get(kind, {}).get("observedGeneration") == generation and kind in known for kind in kinds):
        return
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    conditions = [
        {
            "type": kind,
            "status": "True",
            "reason": kind,
            "message": f"{NOT_SERVED} {class_name}",
            "observedGeneration": generation,
            "lastTransitionTime": now,
        }
        for kind in kinds
    ]
    yield f"{path}/status", {"status": {"conditions": conditions}}
