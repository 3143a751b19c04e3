"""What is made for a Gateway: ServiceAccount, Deployment and Service, as istiod makes them, with plain Envoy inside."""

import json
from collections.abc import Mapping
from typing import Any

from sandbox.cluster.network import ADDRESS
from sandbox.gateway.clusters import CONTROLLER, SOURCE, TYPES, Json
from sandbox.gateway.model import Gateway
from sandbox.gateway.overlay import Overlay, arguments, merge
from sandbox.gateway.parameters import PROXY
from sandbox.gateway.references import POOL_PORT, pool_service
from sandbox.gateway.store import MANAGED, Object

IMAGE = "sandbox/envoy"
PORT = 15012
"""Where this controller answers the gateways' pods, on the bridge; istiod's own."""
STATUS_PORT = 15021
"""Of the gateway's pod: readiness, statistics, draining."""
DRAIN_PATH = "/drain/"
"""Followed by namespace/Gateway: the pod runner asks it before it ends one of its pods, and waits for the answer."""

_ADMIN_PORT = 15000
_GRACE_SECONDS = 30
_SERVICE_TYPE = "networking.istio.io/service-type"
_FROM_ADMIN = {"/healthz/ready": "/ready", "/stats/prometheus": "/stats/prometheus"}


def objects(gateway: Gateway, overlay: Overlay) -> dict[str, Json]:
    """Return the objects of a valid Gateway by API path."""
    namespace, name = gateway.workload
    return {
        f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}": _base(gateway, "v1", "ServiceAccount"),
        f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}": _deployment(gateway, overlay),
        f"/api/v1/namespaces/{namespace}/services/{name}": _service(gateway, overlay),
    }


def pool_objects(pool: Object) -> dict[str, Json]:
    """Return, by API path, the headless Service by which the pods of a pool that has a Gateway are followed."""
    metadata, spec = pool["metadata"], pool["spec"]
    name, namespace = pool_service(metadata["name"]), metadata["namespace"]
    owner = {key: pool[key] for key in ("apiVersion", "kind")} | {key: metadata[key] for key in ("name", "uid")}
    ports = [
        {"name": f"port-{index}", "port": POOL_PORT + index, "targetPort": target["number"], "protocol": "TCP"}
        for index, target in enumerate(spec["targetPorts"])
    ]
    body = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {"istio.io/inferencepool-name": metadata["name"]},
            "ownerReferences": [owner],
        },
        "spec": {"type": "ClusterIP", "clusterIP": "None", "selector": spec["selector"]["matchLabels"], "ports": ports},
    }
    return {f"/api/v1/namespaces/{namespace}/services/{name}": body}


def service_type(gateway: Gateway, overlay: Overlay) -> str:
    """Return the type of the Gateway's Service: LoadBalancer unless annotation or overlay say otherwise."""
    annotated = (gateway.spec["metadata"].get("annotations") or {}).get(_SERVICE_TYPE) if _istio(gateway) else None
    return str(overlay.service.get("spec", {}).get("type") or annotated or "LoadBalancer")


def bootstrap() -> Json:
    """Return what Envoy starts with: where to ask for the rest, and a listener for probes and draining."""
    routes: list[Json] = [
        {"match": {"path": path}, "route": {"cluster": "admin", "prefix_rewrite": admin}}
        for path, admin in _FROM_ADMIN.items()
    ]
    routes += [{"match": {"path": path}, "route": {"cluster": "admin"}} for path in ("/drain_listeners", "/stats")]
    manager = {
        "@type": f"{TYPES}extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "status",
        "route_config": {"name": "status", "virtual_hosts": [{"name": "status", "domains": ["*"], "routes": routes}]},
        "http_filters": [
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": f"{TYPES}extensions.filters.http.router.v3.Router"},
            }
        ],
    }
    status = {
        "name": "status",
        "address": _address("0.0.0.0", STATUS_PORT),
        "filter_chains": [
            {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
        ],
    }
    return {
        "admin": {"address": _address("127.0.0.1", _ADMIN_PORT)},
        "dynamic_resources": {"lds_config": SOURCE, "cds_config": SOURCE},
        "static_resources": {
            "listeners": [status],
            "clusters": [_static(CONTROLLER, ADDRESS, PORT), _static("admin", "127.0.0.1", _ADMIN_PORT)],
        },
    }


def _istio(gateway: Gateway) -> bool:
    return gateway.gateway_class.istio


def _base(gateway: Gateway, version: str, kind: str) -> Json:
    """The head of an object that goes with its Gateway, and carries what the Gateway says of labels."""
    metadata = gateway.spec["metadata"]
    infrastructure = gateway.spec["spec"].get("infrastructure")
    shared: Mapping[str, Any] = metadata if infrastructure is None else infrastructure
    owner = {key: gateway.spec[key] for key in ("apiVersion", "kind")} | {key: metadata[key] for key in ("name", "uid")}
    return {
        "apiVersion": version,
        "kind": kind,
        "metadata": {
            "name": gateway.workload[1],
            "namespace": gateway.workload[0],
            "labels": {**(shared.get("labels") or {}), **_labels(gateway)},
            "ownerReferences": [owner],
        },
    }


def _labels(gateway: Gateway) -> dict[str, str]:
    return {
        MANAGED: "istio.io-gateway-controller",
        "gateway.networking.k8s.io/gateway-name": gateway.key[1],
        "gateway.networking.k8s.io/gateway-class-name": gateway.gateway_class.name,
    }


def _selector(gateway: Gateway) -> dict[str, str]:
    return {"gateway.networking.k8s.io/gateway-name": gateway.key[1]}


def _deployment(gateway: Gateway, overlay: Overlay) -> Json:
    namespace, name = gateway.workload
    base = _base(gateway, "apps/v1", "Deployment")
    field = {key: {"fieldRef": {"fieldPath": f"metadata.{key}"}} for key in ("name", "namespace")}
    container = {
        "name": PROXY,
        "image": IMAGE,
        "ports": [{"name": "status-port", "containerPort": STATUS_PORT, "protocol": "TCP"}],
        "env": [{"name": f"POD_{key.upper()}", "valueFrom": source} for key, source in field.items()],
        "readinessProbe": {
            "httpGet": {"path": "/healthz/ready", "port": STATUS_PORT},
            "periodSeconds": 1,
            "failureThreshold": 4,
        },
        "lifecycle": {
            "preStop": {"httpGet": {"host": ADDRESS, "port": PORT, "path": f"{DRAIN_PATH}{namespace}/{gateway.key[1]}"}}
        },
    }
    spec = {
        "selector": {"matchLabels": _selector(gateway)},
        "template": {
            "metadata": {"labels": base["metadata"]["labels"]},
            "spec": {
                "serviceAccountName": name,
                "terminationGracePeriodSeconds": _GRACE_SECONDS,
                "containers": [container],
            },
        },
    }
    result = merge({**base, "spec": spec}, overlay.deployment)
    proxy = next(one for one in result["spec"]["template"]["spec"]["containers"] if one["name"] == PROXY)
    proxy["args"] = [*_envoy_arguments(gateway), *arguments(overlay)]
    return result


def _envoy_arguments(gateway: Gateway) -> list[str]:
    return [
        *("--config-yaml", json.dumps(bootstrap(), separators=(",", ":"))),
        *("--service-node", "$(POD_NAMESPACE)/$(POD_NAME)", "--service-cluster", "/".join(gateway.key)),
        *("--concurrency", "1", "--disable-hot-restart", "--file-flush-interval-msec", "100"),
        *("--drain-time-s", str(_GRACE_SECONDS), "--drain-strategy", "immediate"),
    ]


def _service(gateway: Gateway, overlay: Overlay) -> Json:
    ports = {STATUS_PORT: {"name": "status-port", "port": STATUS_PORT, "targetPort": STATUS_PORT, "protocol": "TCP"}}
    for listener in gateway.listeners:
        port = listener.spec["port"]
        protocol = listener.spec["protocol"].lower()
        ports.setdefault(
            port, {"name": listener.spec["name"], "port": port, "protocol": "TCP", "appProtocol": protocol}
        )
    spec = {
        "type": service_type(gateway, Overlay()),
        "selector": _selector(gateway),
        "ports": list(ports.values()),
    }
    return merge({**_base(gateway, "v1", "Service"), "spec": spec}, overlay.service)


def _static(name: str, address: str, port: int) -> Json:
    endpoint = {"endpoint": {"address": _address(address, port)}}
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "5s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }


def _address(address: str, port: int) -> Json:
    return {"socket_address": {"address": address, "port_value": port}}
