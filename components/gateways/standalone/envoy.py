"""Envoy's configuration: every request is shown to the picker, and goes to the worker that the picker names.

As istio configures its gateways for an InferencePool (1.28 and newer), in a static file: the picker is an external
processor, bodies stream through it both ways, and nothing that takes long is a failure. What differs: the named worker
is spoken to whether Envoy knew of it or not (original destination), so that none is too new; the pool's other workers
are known by DNS, and serve while the picker is away and the failure mode is FailOpen.
"""

from typing import Any

from components.config.vocabulary import FailureMode
from components.gateways.standalone.accesslog import FORMAT, PICKED, PREFILL
from components.names import PICKER_PORTS
from components.plan.gateway_args import ModelGatewayArgs, StandaloneArgs

Json = dict[str, Any]

REQUESTS_PORT = 8080
"""Envoy runs without rights, so not port 80; that is its Service's."""

STATUS_PORT = 15021
"""Probes and metrics (istio's number)."""

ADMIN_PORT = 9901
"""On the pod's own 127.0.0.1: whoever reaches it can do everything."""

STEERING = (PICKED, PREFILL, "x-encoder-hosts-ports", "x-data-parallel-host-port")
"""Headers by which picker, gateway and sidecar lead a request to addresses: never a client's to say."""

MANY = 256000
"""Ceiling on connections and requests (the guide's for istio and the picker); Envoy's own is 1024."""

_TYPES = "type.googleapis.com/envoy."
_ANYWHERE = "0.0.0.0"
_KEPT = "60s"
"""An idle connection to a worker ends before vLLM ends it, after 120 s: else a request now and then meets its end."""
_RETRIES: Json = {  # only what has reached no worker
    "retry_on": "connect-failure,reset-before-request",
    "num_retries": 2,
    "retry_host_predicate": [
        {
            "name": "envoy.retry_host_predicates.previous_hosts",
            "typed_config": {"@type": f"{_TYPES}extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"},
        }
    ],
    "host_selection_retry_max_attempts": 5,
}
_HANDSHAKE: Json = {  # whether a TLS connection comes about
    "timeout": "5s",
    "interval": "1s",
    "no_traffic_interval": "1s",
    "unhealthy_threshold": 2,
    "healthy_threshold": 1,
    "tcp_health_check": {},
}


def bootstrap(args: ModelGatewayArgs, own: StandaloneArgs) -> Json:
    """All of Envoy's configuration."""
    clusters = [_picked(), _picker(args, own), _admin()]
    if own.failure_mode is FailureMode.FAIL_OPEN:
        clusters.append(_workers(args, own))
    return {
        "admin": {"address": _address("127.0.0.1", ADMIN_PORT)},
        "static_resources": {"listeners": [_requests(args, own), _status()], "clusters": clusters},
    }


def _requests(args: ModelGatewayArgs, own: StandaloneArgs) -> Json:
    """Where clients come in."""
    manager: Json = {
        "stat_prefix": "requests",
        "use_remote_address": True,
        "preserve_external_request_id": True,
        "always_set_request_id_in_response": True,
        "stream_idle_timeout": "0s",  # a long prompt is silent for minutes
        "request_headers_timeout": "60s",
        "early_header_mutation_extensions": [_never_from_clients()],
        "route_config": {"name": "requests", "virtual_hosts": [_host(own)]},
        "http_filters": [_picking(own), _router()],
    }
    if args.access_logging:
        stdout = f"{_TYPES}extensions.access_loggers.stream.v3.StdoutAccessLog"
        log = {"@type": stdout, "log_format": {"json_format": dict(FORMAT)}}
        manager["access_log"] = [{"name": "envoy.access_loggers.stdout", "typed_config": log}]
    return _listener("requests", REQUESTS_PORT, manager)


def _never_from_clients() -> Json:
    """Before anything reads the headers."""
    kind = f"{_TYPES}extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation"
    return {
        "name": "envoy.http.early_header_mutation.header_mutation",
        "typed_config": {"@type": kind, "mutations": [{"remove": header} for header in STEERING]},
    }


def _host(own: StandaloneArgs) -> Json:
    """To the worker that is named; where none is, because nobody could be asked, to any, if that is allowed.

    A route is looked up when a request comes, and anew when the picker has spoken.
    """
    routes: list[Json] = [{"name": "picked", "match": {"prefix": "/"}, "route": _to("picked")}]
    if own.failure_mode is FailureMode.FAIL_OPEN:
        routes[0]["match"]["headers"] = [{"name": PICKED, "present_match": True}]
        routes.append({"name": "unpicked", "match": {"prefix": "/"}, "route": _to("workers")})
    return {"name": "everything", "domains": ["*"], "routes": routes}


def _to(cluster: str) -> Json:
    return {"cluster": cluster, "timeout": "0s", "retry_policy": _RETRIES}


def _picking(own: StandaloneArgs) -> Json:
    """The picker as external processor."""
    config = {
        "@type": f"{_TYPES}extensions.filters.http.ext_proc.v3.ExternalProcessor",
        "grpc_service": {"envoy_grpc": {"cluster_name": "picker"}},
        "failure_mode_allow": own.failure_mode is FailureMode.FAIL_OPEN,
        "processing_mode": {
            "request_header_mode": "SEND",
            "request_body_mode": "FULL_DUPLEX_STREAMED",
            "request_trailer_mode": "SEND",
            "response_header_mode": "SEND",
            "response_body_mode": "FULL_DUPLEX_STREAMED",
            "response_trailer_mode": "SEND",
        },
        "message_timeout": "1000s",  # as istio: a picker may hold requests back while all workers are busy
        "route_cache_action": "CLEAR",
    }
    return {"name": "envoy.filters.http.ext_proc", "typed_config": config}


def _router() -> Json:
    config = {"@type": f"{_TYPES}extensions.filters.http.router.v3.Router", "suppress_envoy_headers": True}
    return {"name": "envoy.filters.http.router", "typed_config": config}


def _status() -> Json:
    """What of the admin's answers others may see."""
    shown = {"/ready": "/ready", "/live": "/hot_restart_version", "/stats/prometheus": "/stats/prometheus"}
    routes = [
        {"match": {"path": path}, "route": {"cluster": "admin", "prefix_rewrite": admin}}
        for path, admin in shown.items()
    ]
    host = {"name": "status", "domains": ["*"], "routes": routes}
    manager = {
        "stat_prefix": "status",
        "route_config": {"name": "status", "virtual_hosts": [host]},
        "http_filters": [_router()],
    }
    return _listener("status", STATUS_PORT, manager)


def _listener(name: str, port: int, manager: Json) -> Json:
    kind = f"{_TYPES}extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
    config = {"@type": kind, **manager}
    filters = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": config}]
    chain = {"name": name, "filters": filters}
    return {"name": name, "address": _address(_ANYWHERE, port), "filter_chains": [chain]}


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

    A request whose body has begun to stream to a picker that then turns out to be away is lost, whatever the failure
    mode; one that need not even try passes. So with FailOpen Envoy finds out by itself whether the picker is there.
    """
    tls = {
        "@type": f"{_TYPES}extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        "common_tls_context": {"alpn_protocols": ["h2"]},
    }
    alive = {"connection_keepalive": {"interval": "10s", "timeout": "5s"}}  # its node may vanish without a word
    watched: Json = {"health_checks": [_HANDSHAKE], "common_lb_config": {"healthy_panic_threshold": {"value": 0}}}
    return {
        **_known_by_dns("picker", args.picker, PICKER_PORTS["grpc"]),
        **_connections({"http2_protocol_options": alive}),
        "transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": tls},
        **(watched if own.failure_mode is FailureMode.FAIL_OPEN else {}),
    }


def _known_by_dns(name: str, service: str, port: int) -> Json:
    """A Service of the pod's own namespace, looked up every second: workers come and go while the picker is away."""
    lookup = {
        "@type": f"{_TYPES}extensions.clusters.dns.v3.DnsCluster",
        "dns_lookup_family": "V4_PREFERRED",
        "dns_refresh_rate": "1s",
        "dns_failure_refresh_rate": {"base_interval": "0.5s", "max_interval": "1s"},
    }
    return {
        "name": name,
        "cluster_type": {"name": "envoy.cluster.dns", "typed_config": lookup},
        "load_assignment": _endpoint(name, service, port),
    }


def _admin() -> Json:
    return {"name": "admin", "type": "STATIC", "load_assignment": _endpoint("admin", "127.0.0.1", ADMIN_PORT)}


def _connections(protocol: Json, idle: str | None = None) -> Json:
    options: Json = {
        "@type": f"{_TYPES}extensions.upstreams.http.v3.HttpProtocolOptions",
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
    endpoint = {"endpoint": {"address": _address(host, port)}}
    return {"cluster_name": cluster, "endpoints": [{"lb_endpoints": [endpoint]}]}


def _address(host: str, port: int) -> Json:
    return {"socket_address": {"address": host, "port_value": port}}
