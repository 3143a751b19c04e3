"""Envoy's configuration: every request is shown to the picker, and goes to the worker that the picker names.

As istio configures its gateways for an InferencePool (1.28 and newer), in a static file: the picker is an external
processor, bodies stream through it both ways, and nothing that takes long is a failure. What differs: the named worker
is spoken to whether Envoy knew of it or not (original destination), so that none is too new; the pool's other workers
are known by DNS, and serve while the picker is away and the failure mode is FailOpen.
"""

from collections.abc import Mapping
from types import MappingProxyType

from components.access_log import FORMAT
from components.config.vocabulary import FailureMode
from components.gateways.args import ListenerArgs, ModelGatewayArgs, StandaloneArgs
from components.gateways.asking import HEADER
from components.gateways.standalone.certificates import transport
from components.gateways.standalone.clusters import ADMIN_PORT, clusters
from components.gateways.standalone.parts import PICKED, PREFILL, TYPES, Json, address

PORTS: Mapping[str, int] = MappingProxyType({"http": 8080, "https": 8443})
"""For requests, by scheme: Envoy runs without rights, so not 80 and 443; those are its Service's."""

STATUS_PORT = 15021
"""Probes and metrics (istio's number)."""

STEERING = (PICKED, PREFILL, "x-encoder-hosts-ports", "x-data-parallel-host-port")
"""Headers by which picker, gateway and sidecar lead a request to addresses: never a client's to say."""

_ANYWHERE = "0.0.0.0"
_RETRIES: Json = {  # only what has reached no worker
    "retry_on": "connect-failure,reset-before-request",
    "num_retries": 2,
    "retry_host_predicate": [
        {
            "name": "envoy.retry_host_predicates.previous_hosts",
            "typed_config": {"@type": f"{TYPES}extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"},
        }
    ],
    "host_selection_retry_max_attempts": 5,
}


def bootstrap(args: ModelGatewayArgs, own: StandaloneArgs) -> Json:
    """All of Envoy's configuration."""
    return {
        "node": {"id": own.name, "cluster": args.namespace},  # who asks for certificates, even where files answer
        "admin": {"address": address("127.0.0.1", ADMIN_PORT)},
        "static_resources": {"listeners": listeners(args, own), "clusters": clusters(args, own)},
    }


def listeners(args: ModelGatewayArgs, own: StandaloneArgs) -> list[Json]:
    """For requests, and for probes and metrics."""
    manager = _requests(args, own)
    ways_in = [
        _listener(scheme(each), PORTS[scheme(each)], manager, transport(args) if each.certificates else {})
        for each in args.listeners
    ]
    return [*ways_in, _listener("status", STATUS_PORT, _status(), {})]


def scheme(listener: ListenerArgs) -> str:
    """What a listener speaks, which is also its port's name."""
    return "https" if listener.certificates else "http"


def _requests(args: ModelGatewayArgs, own: StandaloneArgs) -> Json:
    """What clients meet, whichever way they come in."""
    manager: Json = {
        "stat_prefix": "requests",
        "use_remote_address": True,
        "preserve_external_request_id": True,
        "always_set_request_id_in_response": True,
        "common_http_protocol_options": {"idle_timeout": f"{args.idle_timeout}s"},
        "stream_idle_timeout": "0s",  # a long prompt is silent for minutes
        "request_headers_timeout": "60s",
        "early_header_mutation_extensions": [_never_from_clients()],
        "route_config": {"name": "requests", "virtual_hosts": [_host(own)], **_named(args)},
        "http_filters": [_picking(own), _router()],
    }
    if args.access_logging:
        stdout = f"{TYPES}extensions.access_loggers.stream.v3.StdoutAccessLog"
        log = {"@type": stdout, "log_format": {"json_format": dict(FORMAT)}}
        manager["access_log"] = [{"name": "envoy.access_loggers.stdout", "typed_config": log}]
    return manager


def _named(args: ModelGatewayArgs) -> Json:
    """Answers name the generation, where it has a word."""
    header = {"header": {"key": HEADER, "value": args.generation}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
    return {"response_headers_to_add": [header]} if args.generation else {}


def _never_from_clients() -> Json:
    """Before anything reads the headers."""
    kind = f"{TYPES}extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation"
    return {
        "name": "envoy.http.early_header_mutation.header_mutation",
        "typed_config": {"@type": kind, "mutations": [{"remove": header} for header in STEERING]},
    }


def _host(own: StandaloneArgs) -> Json:
    """Route to the worker that the picker named. Without a picker: to any worker, if the failure mode allows it.

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
    config = {
        "@type": f"{TYPES}extensions.filters.http.ext_proc.v3.ExternalProcessor",
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
    config = {"@type": f"{TYPES}extensions.filters.http.router.v3.Router", "suppress_envoy_headers": True}
    return {"name": "envoy.filters.http.router", "typed_config": config}


def _status() -> Json:
    """What of the admin's answers others may see."""
    shown = {"/ready": "/ready", "/live": "/hot_restart_version", "/stats/prometheus": "/stats/prometheus"}
    routes = [
        {"match": {"path": path}, "route": {"cluster": "admin", "prefix_rewrite": admin}}
        for path, admin in shown.items()
    ]
    host = {"name": "status", "domains": ["*"], "routes": routes}
    return {
        "stat_prefix": "status",
        "route_config": {"name": "status", "virtual_hosts": [host]},
        "http_filters": [_router()],
    }


def _listener(name: str, port: int, manager: Json, socket: Json) -> Json:
    kind = f"{TYPES}extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
    config = {"@type": kind, **manager}
    filters = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": config}]
    chain = {"name": name, "filters": filters, **socket}
    return {"name": name, "address": address(_ANYWHERE, port), "filter_chains": [chain]}
