"""Gateways: ports of this machine for their listeners, and a status for those without a controller.

The oldest listener gets a port first, and the same after a restart. The sandbox can't build the controllers of
kgateway, agentgateway and GKE. Their Gateways become Programmed, with a message that explains it, so that `up`
completes; no request is served. Routes and pools get no status.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

Object = Mapping[str, Any]
Key = tuple[str, str]
"""Namespace ("" = none) and name."""
World = Mapping[str, Mapping[Key, Object]]
"""Every object by kind and key."""

FILE = "gateways.json"
"""File in the sandbox's home: "<namespace>/<Gateway>" → port of the host's 127.0.0.1 for its first listener;
"<namespace>/<Gateway>:<port>" for another one. It is written atomically."""

GATEWAY = "gateway.networking.k8s.io/gateway-name"
"""Label of the objects that a controller makes for a Gateway (Gateway API, GEP-1762)."""

STANDALONE = "llm-d.ai/gateway"
"""Label of Service and pods of a standalone Envoy; its value takes the place of a Gateway's name."""


@dataclass(frozen=True)
class Listener:
    """Address of one listener of a gateway inside the cluster."""

    service: Key
    port: int
    since: str
    """Creation time of its Gateway or Service."""


def key_of(gateway: Key, port: int) -> Key:
    """Return the key of a listener that is not a gateway's first."""
    return gateway[0], f"{gateway[1]}:{port}"


def listeners(world: World) -> Mapping[Key, Listener]:
    """Return every gateway's first listener, the oldest first, then all other listeners."""
    first: dict[Key, Listener] = {}
    others: dict[Key, Listener] = {}
    for service_key, service in world["Service"].items():
        labels = service["metadata"].get("labels") or {}
        ports = {one["port"]: one for one in service["spec"].get("ports") or ()}
        since = service["metadata"]["creationTimestamp"]
        if name := labels.get(STANDALONE):
            key, wanted = (service_key[0], name), list(ports)
        else:
            key = (service_key[0], labels.get(GATEWAY, ""))
            gateway = world["Gateway"].get(key)
            if gateway is None:
                continue
            wanted = [port for one in gateway["spec"]["listeners"] if (port := one["port"]) in ports]
            since = gateway["metadata"]["creationTimestamp"]
        for number, port in enumerate(dict.fromkeys(wanted)):
            listener = Listener(service_key, port, since)
            (others if number else first)[key_of(key, port) if number else key] = listener
    return {**_oldest_first(first), **_oldest_first(others)}


class HostPorts:
    """The host's ports, and the listeners that have them."""

    def __init__(self, folder: Path, ports: Iterable[int]) -> None:
        self._file, self._ports = folder / FILE, list(ports)
        self.taken = {key: port for key, port in assigned_ports(folder).items() if port in self._ports}

    def assign(self, listeners: Iterable[Key]) -> None:
        """Assign ports to these listeners, oldest first, while there are free ones; free those of all others."""
        wanted = list(listeners)
        taken = {key: port for key, port in self.taken.items() if key in wanted}
        for key in wanted:
            free = [port for port in self._ports if port not in taken.values()]
            if key not in taken and free:
                taken[key] = free[0]
        if taken != self.taken or not self._file.exists():
            self.taken = taken
            self._write()

    def holder(self, port: int) -> Key | None:
        """Return the listener that has a port."""
        return next((key for key, taken in self.taken.items() if taken == port), None)

    def _write(self) -> None:
        draft = self._file.with_suffix(".draft")
        draft.write_text(json.dumps({"/".join(key): port for key, port in self.taken.items()}))
        draft.replace(self._file)


def assigned_ports(folder: Path) -> Mapping[Key, int]:
    """Return the host port of each listener of the sandbox in `folder`, by namespace and name."""
    try:
        content = json.loads((folder / FILE).read_text())
    except FileNotFoundError:
        return {}
    return {(name.partition("/")[0], name.partition("/")[2]): port for name, port in content.items()}


def _oldest_first(found: Mapping[Key, Listener]) -> Mapping[Key, Listener]:
    return dict(sorted(found.items(), key=lambda one: (one[1].since, one[0])))


UNSERVED: Mapping[str, str] = MappingProxyType(
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
    classes = {**UNSERVED, **(SIMULATED if simulated else {})}
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
