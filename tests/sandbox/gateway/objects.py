"""Objects as the API server holds them, written as short as they can be."""

import copy
from collections.abc import Mapping
from typing import Any

import yaml

from sandbox.gateway.store import World

BEGAN = "2026-01-01T00:00:00Z"
GATEWAY_API = "gateway.networking.k8s.io/v1"
POOL_API = "inference.networking.k8s.io/v1"

STACK = """
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: istio, namespace: ""}
spec: {controllerName: istio.io/gateway-controller}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: door}
spec:
  gatewayClassName: istio
  listeners: [{name: default, port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: All}}}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: chat}
spec:
  parentRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: door}]
  rules:
    - matches: [{path: {type: PathPrefix, value: /}}]
      backendRefs: [{group: inference.networking.k8s.io, kind: InferencePool, name: pool, port: 8000, weight: 1}]
      timeouts: {request: 0s, backendRequest: 0s}
---
apiVersion: inference.networking.k8s.io/v1
kind: InferencePool
metadata: {name: pool}
spec:
  selector: {matchLabels: {app: worker}}
  targetPorts: [{number: 8000}]
  endpointPickerRef: {group: "", kind: Service, name: picker, port: {number: 9002}, failureMode: FailOpen}
---
apiVersion: v1
kind: Service
metadata: {name: picker}
spec: {ports: [{name: grpc-ext-proc, port: 9002}]}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: picker}
spec:
  host: picker.models.svc.cluster.local
  trafficPolicy:
    tls: {mode: SIMPLE, insecureSkipVerify: true}
    connectionPool:
      http: {http1MaxPendingRequests: 256000, maxRequestsPerConnection: 256000, idleTimeout: 900s}
      tcp: {maxConnections: 256000, maxConnectionDuration: 1800s, connectTimeout: 900s}
---
apiVersion: v1
kind: Namespace
metadata: {name: models, namespace: "", labels: {team: inference}}
---
apiVersion: v1
kind: Namespace
metadata: {name: other, namespace: "", labels: {team: search}}
"""
"""What our program makes for istio, as far as the gateway controller reads it; `metadata.namespace` is models."""

PICKER = "outbound|9002||picker.models.svc.cluster.local"
POOL = "outbound|54321||pool-ip-27cac550.models.svc.cluster.local"

_KINDS = (
    *("GatewayClass", "Gateway", "HTTPRoute", "ReferenceGrant", "InferencePool", "DestinationRule", "Telemetry"),
    *("GatewayParameters", "AgentgatewayParameters"),
    *("Deployment", "EndpointSlice", "Service", "Secret", "Namespace", "ConfigMap"),
)


def read(text: str) -> list[dict[str, Any]]:
    """Return the objects of a YAML text, completed as the API server does."""
    objects = []
    for one in yaml.load_all(text, Loader=yaml.CSafeLoader):
        about = {
            "namespace": "models",
            "uid": f"{one['kind']}-{one['metadata']['name']}",
            "generation": 1,
            "resourceVersion": "1",
        }
        objects.append({**one, "metadata": {**about, "creationTimestamp": BEGAN, **one["metadata"]}})
    return objects


def world(*more: str, base: str = STACK) -> World:
    """Return the API server's content: the stack's, and on top of it what `more` says, object by object."""
    content: dict[str, dict[tuple[str, str], Mapping[str, Any]]] = {kind: {} for kind in _KINDS}
    for text in (base, *more):
        for one in read(text):
            content[one["kind"]][(one["metadata"]["namespace"], one["metadata"]["name"])] = one
    return content


def changed(content: World, kind: str, name: str, path: str, value: object) -> World:
    """Return the content with one field of one object set; a path such as "spec.listeners.0.port"."""
    copied = copy.deepcopy({kind: dict(objects) for kind, objects in content.items()})
    place: Any = copied[kind][("models", name)]
    *steps, last = path.split(".")
    for step in steps:
        place = place[int(step) if step.isdigit() else step]
    place[int(last) if last.isdigit() else last] = value
    return copied


def without(content: World, kind: str, name: str) -> World:
    """Return the content without one object."""
    left = {key: one for key, one in content[kind].items() if key[1] != name}
    return {**content, kind: left}


def slice_of(service: str, addresses: list[str], port: int, name: str = "", **conditions: bool) -> str:
    """Write an EndpointSlice of a Service in YAML."""
    endpoints = [
        {"addresses": [one], "conditions": {"ready": True, **conditions}, "targetRef": {"name": f"{service}-{one}"}}
        for one in addresses
    ]
    return yaml.safe_dump(
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": f"{service}-1", "labels": {"kubernetes.io/service-name": service}},
            "endpoints": endpoints,
            "ports": [{"name": name, "port": port}],
        }
    )
