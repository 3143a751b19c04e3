"""A stack on an existing Gateway, with a part of its requests: objects, outputs and refusals."""

import shlex
from typing import Any

import pytest

from tests.program.test_outputs import WithAddress
from tests.program.wire import AMD, made, ran
from tests.recorder import run_program
from tests.stack_file import problems

EXISTING = {"name": "shared", "namespace": "gateways"}
ROUTE = "HTTPRoute/llm-d-pd-disaggregation"
OF_ITS_OWN = ("Gateway", "ConfigMap", "Telemetry", "GatewayParameters", "AgentgatewayParameters")
CELLS = [
    ("istio", "0.4", {"DestinationRule/gaie-pd-epp"}),
    ("istio", "0.6", {"DestinationRule/gaie-pd-epp"}),
    ("kgateway", "0.4", set()),
    ("kgateway", "0.6", set()),
    ("agentgateway", "0.4", set()),
    ("agentgateway", "0.6", set()),
    ("gke", "0.6", {"HealthCheckPolicy/gaie-pd", "GCPBackendPolicy/gaie-pd", "PodMonitoring/gaie-pd"}),
]


def route(**gateway: Any) -> dict[str, Any]:
    spec = made({**AMD, "gateway": gateway}).objects[ROUTE]["spec"]
    assert isinstance(spec, dict)
    return spec


def outputs(address: str = "", **gateway: Any) -> dict[str, Any]:
    """The outputs where the controller gave the Gateway an address."""
    if not address:
        return ran({**AMD, "gateway": gateway}).stack_outputs
    return run_program({**AMD, "gateway": gateway}, recorder=WithAddress(address)).stack_outputs


def words(**gateway: Any) -> list[str]:
    """The request among the outputs as a shell reads it, without the body."""
    address = gateway.pop("address", "")
    return shlex.split(outputs(address, **gateway)["request"])[:-2]


@pytest.mark.parametrize(("provider", "release", "left"), CELLS)
def test_beside_an_existing_gateway_none_is_made_and_none_configured(
    provider: str, release: str, left: set[str]
) -> None:
    own = made({**AMD, "release": release, "gateway": {"provider": provider}}).objects
    shared = made({**AMD, "release": release, "gateway": {"provider": provider, "existing": EXISTING}}).objects
    gone = {
        key
        for key in own
        if key.partition("/")[0] in OF_ITS_OWN and key.partition("/")[2] == "infra-pd-inference-gateway"
    }
    assert gone
    assert own.keys() - shared.keys() == gone
    assert left <= shared.keys()
    reference = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "shared", "namespace": "gateways"}
    assert shared[ROUTE]["spec"]["parentRefs"] == [reference]
    assert shared[ROUTE]["spec"]["rules"] == own[ROUTE]["spec"]["rules"]


def test_the_route_names_the_listener_that_it_wants() -> None:
    (parent,) = route(existing={"name": "shared", "listener": "models"})["parentRefs"]
    assert (parent["namespace"], parent["sectionName"]) == ("llm-d-pd", "models")


def test_a_path_is_matched_and_taken_off() -> None:
    spec = route(route={"path": "/models/llama"})
    (rule,) = spec["rules"]
    assert rule["matches"] == [{"path": {"type": "PathPrefix", "value": "/models/llama"}}]
    rewrite = {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}
    assert rule["filters"] == [{"type": "URLRewrite", "urlRewrite": {"path": rewrite}}]
    assert "hostnames" not in spec


def test_path_and_headers_are_one_match_so_that_both_must_fit() -> None:
    (rule,) = route(route={"path": "/a", "headers": {"x-model": "b", "x-tenant": "c"}})["rules"]
    (match,) = rule["matches"]
    assert match["path"]["value"] == "/a"
    assert match["headers"] == [
        {"type": "Exact", "name": "x-model", "value": "b"},
        {"type": "Exact", "name": "x-tenant", "value": "c"},
    ]


def test_host_names_are_the_routes() -> None:
    spec = route(route={"hostnames": ["a.example.com", "*.b.example.com"]})
    assert spec["hostnames"] == ["a.example.com", "*.b.example.com"]
    assert "filters" not in spec["rules"][0]


def test_gkes_route_stays_bare_with_a_path() -> None:
    (rule,) = route(provider="gke", route={"path": "/a"})["rules"]
    assert "timeouts" not in rule
    assert "port" not in rule["backendRefs"][0]
    assert rule["filters"][0]["type"] == "URLRewrite"


@pytest.mark.parametrize(
    ("provider", "service"), [("istio", "shared-istio"), ("kgateway", "shared"), ("agentgateway", "shared")]
)
def test_the_url_is_the_service_that_the_provider_makes_for_the_existing_gateway(provider: str, service: str) -> None:
    found = outputs(provider=provider, existing=EXISTING, route={"path": "/a"})
    assert found["gatewayUrl"] == f"kubectl --namespace gateways port-forward service/{service} 8000:80"
    assert "http://localhost:8000/a/v1/completions" in found["request"]


def test_google_makes_no_service_for_it() -> None:
    found = outputs(provider="gke", existing=EXISTING)
    assert found["gatewayUrl"] == "kubectl --namespace gateways get gateway shared"


def test_a_given_url_is_where_requests_go() -> None:
    existing = {**EXISTING, "url": "https://models.example.com:8443"}
    found = outputs(existing=existing, route={"path": "/a", "headers": {"x-model": "b"}})
    assert found["gatewayUrl"] == "https://models.example.com:8443/a"
    asked = words(existing=existing, route={"path": "/a", "headers": {"x-model": "b"}})
    assert asked[2] == "https://models.example.com:8443/a/v1/completions"
    assert asked[3:] == ["-H", "Content-Type: application/json", "-H", "x-model: b"]


@pytest.mark.parametrize(
    ("gateway", "url", "connect"),
    [
        ({}, "http://a.example.com", ["--connect-to", "::localhost:8000"]),
        (
            {"serviceType": "LoadBalancer", "address": "192.0.2.7"},
            "http://a.example.com",
            ["--connect-to", "::192.0.2.7:"],
        ),
        (
            {"serviceType": "LoadBalancer", "address": "2001:db8::7"},
            "http://a.example.com",
            ["--connect-to", "::[2001:db8::7]:"],
        ),
        ({"existing": {**EXISTING, "url": "http://a.example.com"}}, "http://a.example.com", []),
        (
            {"existing": {**EXISTING, "url": "http://10.0.0.7:8080"}},
            "http://a.example.com:8080",
            ["--connect-to", "::10.0.0.7:8080"],
        ),
    ],
)
def test_a_host_name_is_asked_for_wherever_the_gateway_is(
    gateway: dict[str, Any], url: str, connect: list[str]
) -> None:
    """curl connects to the address that is known, and asks for the name, which DNS may not know yet."""
    asked = words(route={"hostnames": ["a.example.com"]}, **gateway)
    assert asked[:3] == ["curl", "-sS", f"{url}/v1/completions"]
    assert asked[3 : 3 + len(connect)] == connect
    assert asked[3 + len(connect) :] == ["-H", "Content-Type: application/json"]


def test_a_request_asks_for_some_name_below_a_wildcard() -> None:
    assert words(route={"hostnames": ["*.example.com"]})[2] == "http://any.example.com/v1/completions"


def test_the_url_of_a_gateway_with_an_address_has_the_name_and_the_path() -> None:
    found = outputs("192.0.2.7", serviceType="LoadBalancer", route={"hostnames": ["a.example.com"], "path": "/a"})
    assert found["gatewayUrl"] == "http://a.example.com/a"
    plain = outputs("192.0.2.7", serviceType="LoadBalancer", route={"path": "/a"})
    assert plain["gatewayUrl"] == "http://192.0.2.7/a"


def test_gkes_class_is_refused_beside_an_existing_gateway_and_its_monitoring_is_not() -> None:
    found = problems(gateway={"provider": "gke", "existing": EXISTING, "exposure": "internal", "autopilot": True})
    assert found.keys() == {"serving.gateway.exposure"}


def test_an_existing_gateway_of_the_stacks_own_name_is_refused() -> None:
    found = problems(gateway={"existing": {"name": "infra-pd-inference-gateway"}})
    assert "is what a Gateway of this stack's own is called" in found["serving.gateway.existing.name"].wrong
    assert not problems(gateway={"existing": {"name": "infra-pd-inference-gateway", "namespace": "other"}})
    assert not problems(postfix="two", gateway={"existing": {"name": "infra-pd-inference-gateway"}})


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("route__path", "llama"),
        ("route__path", "/llama/"),
        ("route__path", "/a//b"),
        ("route__path", "/a/../b"),
        ("route__hostnames[0]", "https://a.example.com"),
        ("route__hostnames[0]", "a.*.com"),
        ("route__headers", {"x model": "a"}),
        ("existing__url", "models.example.com"),
        ("existing__url", "https://models.example.com/v1"),
        ("existing__url", "http://a:70000"),
    ],
)
def test_what_no_gateway_takes_is_refused(path: str, value: object) -> None:
    at = path.removesuffix("[0]")
    given: dict[str, Any] = {f"gateway__{at}": [value] if at != path else value}
    if at.startswith("existing"):
        given["gateway__existing__name"] = "x"
    found = problems(**given)
    assert any(key.startswith(f"serving.gateway.{at.replace('__', '.')}") for key in found), found
