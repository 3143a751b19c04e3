"""Where Envoy sends to: the worker that is named, the pool's workers, the picker, its own admin."""

from components.config.vocabulary import FailureMode
from components.gateways.args import ModelGatewayArgs, StandaloneArgs
from components.gateways.standalone.parts import PICKED, TYPES, Json, address
from components.names import PICKER_PORTS

ADMIN_PORT = 9901
"""On the pod's own 127.0.0.1: whoever reaches it can do everything."""

MANY = 256000
"""Ceiling on connections and requests (the guide's for istio and the picker); Envoy's own is 1024."""

_KEPT = "60s"
"""An idle connection to a worker ends before vLLM ends it, after 120 s: else a request now and then meets its end."""
_HANDSHAKE: Json = {  # whether a TLS connection comes about
    "timeout": "5s",
    "interval": "1s",
    "no_traffic_interval": "1s",
    "unhealthy_threshold": 2,
    "healthy_threshold": 1,
    "tcp_health_check": {},
}
_FIRST_FAILURE: Json = {  # of a connection or stream to it; what it answers is its own business
    "split_external_local_origin_errors": True,
    "consecutive_local_origin_failure": 1,
    "enforcing_consecutive_local_origin_failure": 100,
    "enforcing_local_origin_success_rate": 0,
    "enforcing_consecutive_5xx": 0,
    "enforcing_consecutive_gateway_failure": 0,
    "enforcing_success_rate": 0,
    "max_ejection_percent": 100,
}


def clusters(args: ModelGatewayArgs, own: StandaloneArgs) -> list[Json]:
    """All of them; the pool's workers by themselves only if a request may go to any."""
    anybody = [_workers(args, own)] if own.failure_mode is FailureMode.FAIL_OPEN else []
    admin = {"name": "admin", "type": "STATIC", "load_assignment": _endpoint("admin", "127.0.0.1", ADMIN_PORT)}
    return [_picked(), _picker(args, own), admin, *anybody]


def _picked() -> Json:
    """The worker that the picker's header names."""
    return {
        "name": "picked",
        "type": "ORIGINAL_DST",
        "lb_policy": "CLUSTER_PROVIDED",
        "original_dst_lb_config": {"use_http_header": True, "http_header_name": PICKED},
        **_connections({"http_protocol_options": {}}, idle=_KEPT),
    }


def _workers(args: ModelGatewayArgs, own: StandaloneArgs) -> Json:
    """Any Ready worker of the pool."""
    return {
        "lb_policy": "LEAST_REQUEST",
        "ignore_health_on_host_removal": True,
        **_known_by_dns("workers", own.workers, args.pool_port),
        **_connections({"http_protocol_options": {}}, idle=_KEPT),
    }


def _picker(args: ModelGatewayArgs, own: StandaloneArgs) -> Json:
    """The picker, over TLS with the certificate that it makes for itself: there is nothing to verify it by.

    A request is lost in any failure mode if its body has begun to stream to a picker that is away.
    With FailOpen one such request is enough, and Envoy finds out by itself whether the picker is there.
    """
    tls = {
        "@type": f"{TYPES}extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        "common_tls_context": {"alpn_protocols": ["h2"]},
    }
    alive = {"connection_keepalive": {"interval": "10s", "timeout": "5s"}}  # its node may vanish with open connections
    watched: Json = {
        "health_checks": [_HANDSHAKE],
        "outlier_detection": _FIRST_FAILURE,
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
    }
    return {
        **_known_by_dns("picker", args.picker, PICKER_PORTS["grpc"]),
        **_connections({"http2_protocol_options": alive}),
        "transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": tls},
        **(watched if own.failure_mode is FailureMode.FAIL_OPEN else {}),
    }


def _known_by_dns(name: str, service: str, port: int) -> Json:
    """A Service of the pod's own namespace, looked up every second: workers come and go while the picker is away."""
    lookup = {
        "@type": f"{TYPES}extensions.clusters.dns.v3.DnsCluster",
        "dns_lookup_family": "V4_PREFERRED",
        "dns_refresh_rate": "1s",
        "dns_failure_refresh_rate": {"base_interval": "0.5s", "max_interval": "1s"},
    }
    return {
        "name": name,
        "cluster_type": {"name": "envoy.cluster.dns", "typed_config": lookup},
        "load_assignment": _endpoint(name, service, port),
    }


def _connections(protocol: Json, idle: str | None = None) -> Json:
    options: Json = {
        "@type": f"{TYPES}extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": protocol,
    }
    if idle:
        options["common_http_protocol_options"] = {"idle_timeout": idle}
    limits = {f"max_{what}": MANY for what in ("connections", "pending_requests", "requests", "retries")}
    return {
        "connect_timeout": "5s",
        "circuit_breakers": {"thresholds": [limits]},
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options},
    }


def _endpoint(cluster: str, host: str, port: int) -> Json:
    endpoint = {"endpoint": {"address": address(host, port)}}
    return {"cluster_name": cluster, "endpoints": [{"lb_endpoints": [endpoint]}]}
