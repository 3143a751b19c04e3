"""What the API server holds of the kinds that matter here, kept up to date by one watch each."""

import threading
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from sandbox.cluster.api import Api, ApiError
from sandbox.errors import SandboxError

Object = Mapping[str, Any]
Key = tuple[str, str]
"""Namespace ("" where there is none) and name."""
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
    """Follows every kind from `start` on; `changed` is called, from any thread, after each change."""

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
        """Return everything as it is now; None until every kind is known. Raises what ended a watch."""
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
