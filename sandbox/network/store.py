"""A copy of the API server's objects of the needed kinds, with one watch for each, and lookups of a Service's pods."""

import threading
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from sandbox.cluster.api import Api, ApiError
from sandbox.errors import SandboxError

Object = Mapping[str, Any]
Key = tuple[str, str]
"""Namespace ("" = none) and name."""
World = Mapping[str, Mapping[Key, Object]]
"""Every object by kind and key."""


_GATEWAY = "/apis/gateway.networking.k8s.io/v1"
_PATHS: Mapping[str, str] = MappingProxyType(
    {
        "GatewayClass": f"{_GATEWAY}/gatewayclasses",
        "Gateway": f"{_GATEWAY}/gateways",
        "EndpointSlice": "/apis/discovery.k8s.io/v1/endpointslices",
        "Service": "/api/v1/services",
    }
)


class Store:
    """Follows every kind after `start`. It calls `changed` after each change, from any thread."""

    def __init__(self, api: Api, changed: Callable[[], None]) -> None:
        self._api, self._changed = api, changed
        self._lock = threading.Lock()
        self._objects: dict[str, dict[Key, Object]] = {kind: {} for kind in _PATHS}
        self._unknown = set(_PATHS)
        self._failure: Exception | None = None

    def start(self) -> None:
        """Start the watches; they end with the process."""
        for kind in _PATHS:
            threading.Thread(target=self._follow, args=(kind,), name=kind, daemon=True).start()

    def world(self) -> World | None:
        """Return all objects; None until every kind is known. Raises the error that ended a watch."""
        with self._lock:
            if self._failure:
                raise self._failure
            return None if self._unknown else {kind: dict(objects) for kind, objects in self._objects.items()}

    def _follow(self, kind: str) -> None:
        try:
            for event, one in self._api.watch(_PATHS[kind]):
                self._take(kind, event, one)
        except (ApiError, SandboxError) as failure:
            with self._lock:
                self._failure = failure
        self._changed()

    def _take(self, kind: str, event: str, one: dict[str, Any]) -> None:
        if event == "BOOKMARK":
            return
        with self._lock:
            if event == "SYNCED":
                self._unknown.discard(kind)
            else:
                metadata = one["metadata"]
                metadata.pop("managedFields", None)
                key = (metadata.get("namespace", ""), metadata["name"])
                if event == "DELETED":
                    self._objects[kind].pop(key, None)
                else:
                    self._objects[kind][key] = one
        self._changed()


def service_endpoints(world: World, service: Key, number: int) -> list[tuple[str, int]]:
    """Return addresses and ports of the Ready endpoints of a Service's port."""
    port = _port(world, service, number)
    if port is None:
        return []
    found = {
        (endpoint["addresses"][0], actual["port"])
        for one in _slices(world, service)
        for endpoint in _ready(one)
        for actual in one.get("ports") or ()
        if (actual.get("name") or "") == port.get("name", "")
    }
    return sorted(found)


def ready_addresses(world: World, service: Key) -> list[str]:
    """Return the addresses of a Service's Ready pods."""
    return sorted({endpoint["addresses"][0] for one in _slices(world, service) for endpoint in _ready(one)})


def _port(world: World, service: Key, number: int) -> Mapping[str, Any] | None:
    ports = world["Service"].get(service, {}).get("spec", {}).get("ports") or ()
    return next((one for one in ports if one["port"] == number), None)


def _slices(world: World, service: Key) -> Iterator[Object]:
    for (namespace, _), one in world["EndpointSlice"].items():
        labels = one["metadata"].get("labels", {})
        if namespace == service[0] and labels.get("kubernetes.io/service-name") == service[1]:
            yield one


def _ready(one: Object) -> Iterator[Mapping[str, Any]]:
    for endpoint in one.get("endpoints") or ():
        if endpoint.get("conditions", {}).get("ready") is not False:
            yield endpoint
