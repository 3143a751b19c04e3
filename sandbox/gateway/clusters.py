"""Clusters and their endpoints in the JSON of Envoy's v3 API."""

from collections.abc import Mapping
from typing import Any

from sandbox.gateway.model import Cluster
from sandbox.gateway.traffic import Tls, seconds

Json = dict[str, Any]

TYPES = "type.googleapis.com/envoy."
"""Before the name of every message of Envoy's API."""

PICKED = "x-gateway-destination-endpoint"
"""The header in which the picker names the endpoint for a request."""

CONTROLLER = "sandbox-controller"
"""The cluster of Envoy's bootstrap that leads to this process."""

SOURCE: Json = {
    "resource_api_version": "V3",
    "api_config_source": {
        "api_type": "REST",
        "transport_api_version": "V3",
        "cluster_names": [CONTROLLER],
        "refresh_delay": "0.02s",  # between two questions; each is held until there is news (xds.py)
        "request_timeout": "60s",
    },
}
"""Where Envoy asks for configuration."""


_MANY = 2**32 - 1
_NO_CERTIFICATE = "00" * 32


def cluster(one: Cluster) -> Json:
    """Return a cluster whose endpoints come apart from it, so that their changes drain nothing."""
    http = one.policy.connections.get("http") or {}
    tcp = one.policy.connections.get("tcp") or {}
    result: Json = {
        "@type": f"{TYPES}config.cluster.v3.Cluster",
        "name": one.name,
        "type": "EDS",
        "eds_cluster_config": {"eds_config": SOURCE},
        "connect_timeout": seconds(tcp.get("connectTimeout", "10s")),
        "circuit_breakers": {
            "thresholds": [
                {
                    "max_connections": tcp.get("maxConnections", _MANY),
                    "max_pending_requests": http.get("http1MaxPendingRequests", _MANY),
                    "max_requests": http.get("http2MaxRequests", _MANY),
                    "max_retries": http.get("maxRetries", _MANY),
                }
            ]
        },
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": _protocol(http, tcp, http2=one.http2)
        },
        "load_balancing_policy": _as_picked() if one.picked else _policies("least_request", "LeastRequest"),
    }
    if one.policy.tls is not Tls.NONE:
        result["transport_socket"] = _tls(one.policy.tls)
    return result


def _protocol(http: Mapping[str, Any], tcp: Mapping[str, Any], *, http2: bool) -> Json:
    common: Json = {}
    if idle := http.get("idleTimeout") or tcp.get("idleTimeout"):
        common["idle_timeout"] = seconds(idle)
    if longest := tcp.get("maxConnectionDuration"):
        common["max_connection_duration"] = seconds(longest)
    if most := http.get("maxRequestsPerConnection"):
        common["max_requests_per_connection"] = most
    return {
        "@type": f"{TYPES}extensions.upstreams.http.v3.HttpProtocolOptions",
        "common_http_protocol_options": common,
        "explicit_http_config": {"http2_protocol_options" if http2 else "http_protocol_options": {}},
    }


def _tls(tls: Tls) -> Json:
    """TLS to a Service. No public authority has signed anything in a sandbox: where one is asked for, nothing fits."""
    trusted = {} if tls is Tls.UNVERIFIED else {"verify_certificate_hash": [_NO_CERTIFICATE]}
    context = {
        "@type": f"{TYPES}extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        "common_tls_context": {"alpn_protocols": ["h2", "http/1.1"], "validation_context": trusted},
    }
    return {"name": "envoy.transport_sockets.tls", "typed_config": context}


def _policies(name: str, message: str, **settings: Any) -> Json:
    kind = f"{TYPES}extensions.load_balancing_policies.{name}.v3.{message}"
    config = {"name": f"envoy.load_balancing_policies.{name}", "typed_config": {"@type": kind, **settings}}
    return {"policies": [{"typed_extension_config": config}]}


def _as_picked() -> Json:
    """The endpoint that the picker's header names; any of the pool if it names none that is there."""
    fallback = _policies("round_robin", "RoundRobin")
    return _policies(
        "override_host", "OverrideHost", override_host_sources=[{"header": PICKED}], fallback_policy=fallback
    )


def endpoints(one: Cluster) -> Json:
    """Return where a cluster's requests can go now."""
    found = [
        {"endpoint": {"address": {"socket_address": {"address": address, "port_value": port}}}}
        for address, port in one.endpoints
    ]
    return {
        "@type": f"{TYPES}config.endpoint.v3.ClusterLoadAssignment",
        "cluster_name": one.name,
        "endpoints": [{"lb_endpoints": found}],
    }
