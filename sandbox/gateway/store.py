"""What the API server holds of the kinds that matter here, kept up to date by one watch each."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from sandbox.cluster.api import Api, ApiError
from sandbox.errors import SandboxError

Object = Mapping[str, Any]
Key = tuple[str, str]
"""Namespace ("" where there is none) and name."""
World = Mapping[str, Mapping[Key, Object]]
"""Every object by kind and key."""

MANAGED = "gateway.istio.io/managed"
"""Label of what the controller makes for a Gateway; istiod's own, used for every class."""


@dataclass(frozen=True)
class _Source:
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    optional: bool = False
    """Whether a cluster may do without the kind."""


_GATEWAY = "/apis/gateway.networking.k8s.io"
_SOURCES: Mapping[str, _Source] = MappingProxyType(
    {
        "GatewayClass": _Source(f"{_GATEWAY}/v1/gatewayclasses"),
        "Gateway": _Source(f"{_GATEWAY}/v1/gateways"),
        "HTTPRoute": _Source(f"{_GATEWAY}/v1/httproutes"),
        "ReferenceGrant": _Source(f"{_GATEWAY}/v1beta1/referencegrants"),
        "InferencePool": _Source("/apis/inference.networking.k8s.io/v1/inferencepools"),
        "DestinationRule": _Source("/apis/networking.istio.io/v1/destinationrules"),
        "Telemetry": _Source("/apis/telemetry.istio.io/v1/telemetries", optional=True),
        "GatewayParameters": _Source("/apis/gateway.kgateway.dev/v1alpha1/gatewayparameters", optional=True),
        "AgentgatewayParameters": _Source("/apis/agentgateway.dev/v1alpha1/agentgatewayparameters", optional=True),
        "Deployment": _Source("/apis/apps/v1/deployments", {"labelSelector": MANAGED}),
        "EndpointSlice": _Source("/apis/discovery.k8s.io/v1/endpointslices"),
        "Service": _Source("/api/v1/services"),
        "Secret": _Source("/api/v1/secrets", {"fieldSelector": "type=kubernetes.io/tls"}),
        "Namespace": _Source("/api/v1/namespaces"),
        "ConfigMap": _Source(
            "/api/v1/configmaps", {"fieldSelector": "metadata.name!=kube-root-ca.crt,metadata.namespace!=kube-system"}
        ),
    }
)
_ABSENT_SECONDS = 5.0
"""How often to look whether an optional kind has come."""


class Store:
    """Follows every kind from `start` on; `changed` is called, from any thread, after each change."""

    def __init__(self, api: Api, changed: Callable[[], None]) -> None:
        self._api, self._changed = api, changed
        self._lock = threading.Lock()
        self._objects: dict[str, dict[Key, Object]] = {kind: {} for kind in _SOURCES}
        self._unknown = {kind for kind, source in _SOURCES.items() if not source.optional}
        self._failure: Exception | None = None

    def start(self) -> None:
        """Start the watches; they end with the process."""
        for kind in _SOURCES:
            threading.Thread(target=self._follow, args=(kind,), name=kind, daemon=True).start()

    def world(self) -> World | None:
        """Return everything as it is now; None until every kind is known. Raises what ended a watch."""
        with self._lock:
            if self._failure:
                raise self._failure
            return None if self._unknown else {kind: dict(objects) for kind, objects in self._objects.items()}

    def _follow(self, kind: str) -> None:
        source = _SOURCES[kind]
        try:
            if source.optional:
                self._await(source.path.rpartition("/")[0])
            for event, one in self._api.watch(source.path, **source.query):
                self._hear(kind, event, one)
        except (ApiError, SandboxError) as failure:
            with self._lock:
                self._failure = failure
        self._changed()

    def _await(self, group: str) -> None:
        """Wait until the API server serves an API group."""
        while True:
            try:
                self._api.get(group)
            except ApiError as error:
                if error.code != 404:
                    raise
                time.sleep(_ABSENT_SECONDS)
            else:
                return

    def _hear(self, kind: str, event: str, one: dict[str, Any]) -> None:
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
