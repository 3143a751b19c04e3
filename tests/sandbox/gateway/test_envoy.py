"""Envoy's configuration, judged by Envoy itself."""

import json
import re
from typing import Any

import pytest
import yaml

from sandbox.gateway.envoy import Resources, resources
from sandbox.gateway.gateways import resolve
from sandbox.gateway.store import World
from sandbox.gateway.validation import complaint
from sandbox.progress import Progress
from sandbox.toolchain import provide
from tests.sandbox.gateway.certificate import secret, secure
from tests.sandbox.gateway.objects import PICKER, POOL, changed, slice_of, without, world

ENVOY = provide(["envoy"], Progress())["envoy"]

TELEMETRY = """
apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: {name: door}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: door}]
  accessLogging: [{providers: [{name: envoy}]}]
"""
MATCHES = [
    {"path": {"type": "Exact", "value": "/v1/models"}, "method": "GET"},
    {"path": {"type": "PathPrefix", "value": "/v1/"}, "headers": [{"name": "x-model", "value": "a"}]},
    {"path": {"type": "RegularExpression", "value": "/v[0-9]+/.*"}},
    {
        "headers": [{"name": "x-model", "type": "RegularExpression", "value": "a.*"}],
        "queryParams": [{"name": "debug", "value": "1"}],
    },
]
SHARES = [
    {"group": "inference.networking.k8s.io", "kind": "InferencePool", "name": "pool", "weight": 3},
    {"name": "picker", "port": 9002, "weight": 1},
    {"name": "nobody", "port": 80, "weight": 1},
]
STRICT = {"mode": "SIMPLE"}


def rewriting(path: str, prefix: str) -> dict[str, Any]:
    """A rule that puts `prefix` in place of `path`."""
    replaced = {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": prefix}}
    return {
        "matches": [{"path": {"type": "PathPrefix", "value": path}}],
        "filters": [{"type": "URLRewrite", "urlRewrite": replaced}],
        "backendRefs": SHARES[:1],
    }


CASES: dict[str, World] = {
    "our stack": world(),
    "with endpoints": world(slice_of("picker", ["10.0.0.9"], 9002, "grpc-ext-proc")),
    "without the rule": without(world(), "DestinationRule", "picker"),
    "certificate verified": changed(world(), "DestinationRule", "picker", "spec.trafficPolicy.tls", STRICT),
    "every match": changed(world(), "HTTPRoute", "chat", "spec.rules.0.matches", MATCHES),
    "shares": changed(world(), "HTTPRoute", "chat", "spec.rules.0.backendRefs", SHARES),
    "no backend": changed(world(), "HTTPRoute", "chat", "spec.rules.0.backendRefs", []),
    "hosts": changed(world(), "HTTPRoute", "chat", "spec.hostnames", ["a.example.com", "*.example.org"]),
    "timeouts": changed(
        world(), "HTTPRoute", "chat", "spec.rules.0.timeouts", {"request": "1m", "backendRequest": "10s"}
    ),
    "istio's access log": world(TELEMETRY),
    "a path taken off": changed(world(), "HTTPRoute", "chat", "spec.rules.0", rewriting("/a-b.c", "/")),
    "a path replaced": changed(world(), "HTTPRoute", "chat", "spec.rules.0", rewriting("/a-b.c", "/d")),
    "https": changed(world(secret("door")), "Gateway", "door", "spec.listeners", [secure("door")]),
    "no route": without(world(), "HTTPRoute", "chat"),
}


def made(content: World) -> Resources:
    return resources(resolve(content).gateways[("models", "door")])


def only_route(content: World) -> dict[str, Any]:
    (host,) = made(content).routes["http.80"]["virtual_hosts"]
    (route,) = host["routes"]
    return dict(route)


def asked(route: dict[str, Any]) -> dict[str, Any]:
    return dict(route["typed_per_filter_config"]["envoy.filters.http.ext_proc"]["overrides"])


@pytest.mark.parametrize("name", CASES)
def test_envoy_accepts_what_is_made(name: str) -> None:
    assert complaint(ENVOY, made(CASES[name])) == ""


def test_what_envoy_refuses_is_told_in_its_words() -> None:
    content = changed(
        world(), "HTTPRoute", "chat", "spec.rules.0.matches", [{"path": {"type": "RegularExpression", "value": "/("}}]
    )
    assert "missing ): /(" in complaint(ENVOY, made(content))


def test_bodies_stream_both_ways_and_nothing_runs_out_of_time() -> None:
    route = only_route(world())
    modes = asked(route)["processing_mode"]
    assert (modes["request_body_mode"], modes["response_body_mode"]) == ("FULL_DUPLEX_STREAMED", "FULL_DUPLEX_STREAMED")
    assert (modes["request_trailer_mode"], modes["response_trailer_mode"]) == ("SEND", "SEND")
    assert (route["route"]["timeout"], route["route"]["retry_policy"]["per_try_timeout"]) == ("0s", "0s")
    listener = json.dumps(made(world()).listeners)
    assert '"stream_idle_timeout": "0s"' in listener
    assert '"message_timeout": "1000s"' in listener


@pytest.mark.parametrize(("mode", "goes_on"), [("FailOpen", True), ("FailClose", False), (None, False)])
def test_the_pools_failure_mode_is_the_filters(mode: str | None, goes_on: bool) -> None:
    content = changed(world(), "InferencePool", "pool", "spec.endpointPickerRef.failureMode", mode)
    assert asked(only_route(content))["failure_mode_allow"] is goes_on


@pytest.mark.parametrize(
    ("matched", "prefix", "before", "after"),
    [
        ("/a-b.c", "/", "/a-b.c/v1/models", "/v1/models"),
        ("/a-b.c", "/", "/a-b.c", "/"),
        ("/a-b.c", "/", "/a-b.c/", "/"),
        ("/a", "/", "/a/a/b", "/a/b"),
        ("/a", "/", "/a//b", "/b"),
        ("/a/", "/d/", "/a/v1", "/d/v1"),
        ("/a", "/d", "/a", "/d"),
        ("/", "/d", "/v1", "/d/v1"),
    ],
)
def test_a_prefix_is_replaced_as_the_gateway_api_says(matched: str, prefix: str, before: str, after: str) -> None:
    rewrite = only_route(changed(world(), "HTTPRoute", "chat", "spec.rules.0", rewriting(matched, prefix)))["route"][
        "regex_rewrite"
    ]
    assert re.sub(rewrite["pattern"]["regex"], rewrite["substitution"], before) == after


def test_only_shares_that_go_to_a_pool_ask_its_picker() -> None:
    route = only_route(CASES["shares"])
    shares = route["route"]["weighted_clusters"]["clusters"]
    assert [(one["name"], one["weight"], "typed_per_filter_config" in one) for one in shares] == [
        (POOL, 3, True),
        (PICKER, 1, False),
        ("unresolved", 1, False),
    ]
    assert route["route"]["cluster_not_found_response_code"] == "INTERNAL_SERVER_ERROR"
    assert "typed_per_filter_config" not in route


def test_a_change_of_endpoints_touches_nothing_else() -> None:
    before, after = made(world()), made(CASES["with endpoints"])
    assert before.endpoints != after.endpoints
    assert (before.listeners, before.routes, before.clusters) == (after.listeners, after.routes, after.clusters)


def test_a_port_that_istio_does_not_take_for_grpc_is_spoken_to_in_http_1() -> None:
    content = changed(world(), "Service", "picker", "spec.ports.0.name", "picking")
    options = made(content).clusters[PICKER]["typed_extension_protocol_options"]
    assert "http2_protocol_options" not in json.dumps(options)
    assert "http2_protocol_options" in json.dumps(made(world()).clusters[PICKER])


def test_istios_own_access_log_is_written_only_if_telemetry_asks_for_it() -> None:
    def loggers(*telemetry: str) -> int:
        return json.dumps(made(world(*telemetry)).listeners).count("StdoutAccessLog")

    assert (loggers(), loggers(TELEMETRY)) == (1, 2)
    for path, value in [
        ("targetRefs", [{"kind": "Gateway", "name": "window"}]),
        ("accessLogging", [{"disabled": True}]),
    ]:
        other = yaml.safe_load(TELEMETRY)
        other["spec"][path] = value
        assert loggers(yaml.safe_dump(other)) == 1
