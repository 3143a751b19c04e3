"""The model as Envoy's configuration: listeners, routes, clusters and endpoints in the JSON of its v3 API.

As istio 1.28 configures its gateways: the picker is an external processor chosen per route, the pool's endpoint is the
one that the picker's header names, with a fallback over the whole pool. Envoy's own error answers stand for istio's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sandbox.gateway import accesslog, clusters
from sandbox.gateway.clusters import PICKED, SOURCE, TYPES, Json
from sandbox.gateway.matching import match, replaced
from sandbox.gateway.model import Backend, Certificate, Entry, Gateway, Picker
from sandbox.gateway.traffic import seconds

UNRESOLVED = "unresolved"
"""A cluster that never exists: Envoy answers 500 for it, as the Gateway API prescribes."""

_PICKER = "envoy.filters.http.ext_proc"
_PREFILL = "x-prefiller-host-port"
_RETRIES: Json = {  # istio's default; a request that has reached a worker is not repeated
    "retry_on": "connect-failure,refused-stream,unavailable,cancelled",
    "num_retries": 2,
    "retry_host_predicate": [
        {
            "name": "envoy.retry_host_predicates.previous_hosts",
            "typed_config": {"@type": f"{TYPES}extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"},
        }
    ],
    "host_selection_retry_max_attempts": 5,
}


@dataclass(frozen=True)
class Resources:
    """One gateway's configuration by kind and name."""

    listeners: Mapping[str, Json]
    routes: Mapping[str, Json]
    clusters: Mapping[str, Json]
    endpoints: Mapping[str, Json]


def resources(gateway: Gateway) -> Resources:
    """Return the configuration of a Gateway's Envoy."""
    return Resources(
        listeners={
            f"http.{port}": _listener(port, gateway.certificates.get(port, ()), text_log=gateway.text_log)
            for port in gateway.hosts
        },
        routes={f"http.{port}": _routes(port, hosts) for port, hosts in gateway.hosts.items()},
        clusters={name: clusters.cluster(one) for name, one in gateway.clusters.items()},
        endpoints={name: clusters.endpoints(one) for name, one in gateway.clusters.items()},
    )


def _listener(port: int, certificates: Sequence[Certificate], *, text_log: bool) -> Json:
    stdout = f"{TYPES}extensions.access_loggers.stream.v3.StdoutAccessLog"
    loggers: list[Json] = [{"@type": stdout, "log_format": {"json_format": dict(accesslog.FORMAT)}}]
    if text_log:
        loggers.append({"@type": stdout})
    manager = {
        "@type": f"{TYPES}extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": f"http.{port}",
        "rds": {"route_config_name": f"http.{port}", "config_source": SOURCE},
        "stream_idle_timeout": "0s",  # a long prompt is silent for minutes
        "always_set_request_id_in_response": True,
        "upgrade_configs": [{"upgrade_type": "websocket"}],
        "access_log": [{"name": "envoy.access_loggers.stdout", "typed_config": one} for one in loggers],
        "http_filters": [
            {"name": _PICKER, "disabled": True, "typed_config": _picking()},  # switched on by the routes that need it
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": f"{TYPES}extensions.filters.http.router.v3.Router"},
            },
        ],
    }
    return {
        "@type": f"{TYPES}config.listener.v3.Listener",
        "name": f"http.{port}",
        "address": {"socket_address": {"address": "0.0.0.0", "port_value": port}},
        "filter_chains": [
            {
                "filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}],
                **({"transport_socket": _ending_tls(certificates)} if certificates else {}),
            }
        ],
    }


def _ending_tls(certificates: Sequence[Certificate]) -> Json:
    held = [
        {"certificate_chain": {"inline_string": one.chain}, "private_key": {"inline_string": one.key}}
        for one in certificates
    ]
    context = {
        "@type": f"{TYPES}extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        "common_tls_context": {"alpn_protocols": ["h2", "http/1.1"], "tls_certificates": held},
    }
    return {"name": "envoy.transport_sockets.tls", "typed_config": context}


def _picking() -> Json:
    """istio's settings of the external processor; whom to ask is the route's business."""
    return {
        "@type": f"{TYPES}extensions.filters.http.ext_proc.v3.ExternalProcessor",
        "grpc_service": {"envoy_grpc": {"cluster_name": UNRESOLVED}, "timeout": "10s"},
        "processing_mode": _processing(),
        "message_timeout": "1000s",
    }


def _processing() -> Json:
    return {
        "request_header_mode": "SEND",
        "request_body_mode": "FULL_DUPLEX_STREAMED",
        "request_trailer_mode": "SEND",
        "response_header_mode": "SEND",
        "response_body_mode": "FULL_DUPLEX_STREAMED",
        "response_trailer_mode": "SEND",
    }


def _routes(port: int, hosts: Mapping[str, list[Entry]]) -> Json:
    shown = {"x-picked-decode": PICKED, "x-picked-prefill": _PREFILL}
    return {
        "@type": f"{TYPES}config.route.v3.RouteConfiguration",
        "name": f"http.{port}",
        "ignore_port_in_host_matching": True,
        "response_headers_to_add": [
            {"header": {"key": key, "value": f"%REQ({header})%"}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
            for key, header in shown.items()
        ],
        "virtual_hosts": [
            {"name": host, "domains": [host], "routes": [_route(entry) for entry in entries]}
            for host, entries in sorted(hosts.items())
        ],
    }


def _route(entry: Entry) -> Json:
    result: Json = {"name": entry.name, "match": match(entry.match)}
    weighted = [backend for backend in entry.backends if backend.weight]
    if not weighted:
        return {**result, "direct_response": {"status": 500}}
    action: Json = {
        "timeout": seconds(entry.timeouts.get("request", "0s")),
        "cluster_not_found_response_code": "INTERNAL_SERVER_ERROR",
        "retry_policy": {**_RETRIES, "per_try_timeout": seconds(entry.timeouts.get("backendRequest", "0s"))},
    }
    if entry.prefix is not None:
        action["regex_rewrite"] = replaced(entry.match, entry.prefix)
    if len(weighted) == 1:
        action["cluster"] = weighted[0].cluster or UNRESOLVED
        result |= _asking(weighted[0].picker)
    else:
        action["weighted_clusters"] = {"clusters": [_share(one) for one in weighted]}
    return {**result, "route": action}


def _share(backend: Backend) -> Json:
    return {"name": backend.cluster or UNRESOLVED, "weight": backend.weight, **_asking(backend.picker)}


def _asking(picker: Picker | None) -> Json:
    if picker is None:
        return {}
    overrides = {
        "grpc_service": {"envoy_grpc": {"cluster_name": picker.cluster}, "timeout": "10s"},
        "failure_mode_allow": picker.fail_open,
        "processing_mode": _processing(),
    }
    per_route = {"@type": f"{TYPES}extensions.filters.http.ext_proc.v3.ExtProcPerRoute", "overrides": overrides}
    return {"typed_per_filter_config": {_PICKER: per_route}}
