"""An existing Gateway: what its listeners admit."""

from typing import Any

import pytest

from preflight.checks import shared_gateway
from tests.preflight.typed import SPACE, Typed, facts

GATEWAY = "/apis/gateway.networking.k8s.io/v1/namespaces/gateways/gateways/shared"
NAME, LISTENER = "serving.gateway.existing.name", "serving.gateway.existing.listener"
ALL = {"namespaces": {"from": "All"}}
HTTP = {"name": "http", "allowedRoutes": ALL}


def found(
    *listeners: Any,
    labels: Any = None,
    listener: str | None = None,
    hostnames: Any = (),
    gateway: str = "gateways",
    there: bool = True,
    create: bool = False,
) -> list[tuple[str, str]]:
    """Path and evidence of each finding."""
    answers = {SPACE: {"metadata": {"labels": labels or {}}}} if there else {}
    answers[GATEWAY.replace("/gateways/gateways", f"/{gateway}/gateways")] = {"spec": {"listeners": list(listeners)}}
    existing = {"name": "shared", "namespace": gateway, "listener": listener}
    changes: dict[str, Any] = {"gateway": {"existing": existing, "route": {"hostnames": list(hostnames)}}}
    findings = shared_gateway.check(facts(Typed(answers), namespace="llm-d-pd", createNamespace=create, **changes))
    return [(each.path, each.evidence) for each in findings]


def test_it_must_exist() -> None:
    changes: dict[str, Any] = {"gateway": {"existing": {"name": "shared", "namespace": "gateways"}}}
    [finding] = shared_gateway.check(facts(Typed(), **changes))
    assert (finding.path, finding.evidence) == (NAME, "there is no Gateway shared in namespace gateways")


def test_one_listener_that_admits_the_route_is_enough() -> None:
    own = {"name": "own", "allowedRoutes": {"namespaces": {"from": "Same"}}}
    assert found(own, HTTP) == []
    [(path, evidence)] = found(own, HTTP, listener="own")
    assert path == LISTENER
    assert "routes of its own namespace gateways alone, and the route is in llm-d-pd" in evidence
    assert found(own, gateway="llm-d-pd") == []


@pytest.mark.parametrize(
    ("selector", "labels", "admitted"),
    [
        ({"matchLabels": {"models": "yes"}}, {"models": "yes"}, True),
        ({"matchLabels": {"models": "yes"}}, {"models": "no"}, False),
        ({"matchLabels": {"kubernetes.io/metadata.name": "llm-d-pd"}}, {}, True),
        ({"matchExpressions": [{"key": "team", "operator": "In", "values": ["a", "b"]}]}, {"team": "b"}, True),
        ({"matchExpressions": [{"key": "team", "operator": "Exists"}]}, {}, False),
        ({}, {}, True),
    ],
)
def test_the_selector_is_asked_about_the_namespace(selector: Any, labels: Any, admitted: bool) -> None:
    listener = {"name": "http", "allowedRoutes": {"namespaces": {"from": "Selector", "selector": selector}}}
    assert [path for path, _ in found(listener, labels=labels)] == ([] if admitted else [NAME])


def test_unknown_labels_are_no_error() -> None:
    listener = {
        "name": "http",
        "allowedRoutes": {"namespaces": {"from": "Selector", "selector": {"matchLabels": {"a": "b"}}}},
    }
    assert found(listener, there=False) == []
    assert [path for path, _ in found(listener, there=False, create=True)] == [NAME], "a new one has no such label"


@pytest.mark.parametrize(
    ("hostname", "hostnames", "admitted"),
    [
        ("models.example.com", [], True),
        (None, ["a.example.com"], True),
        ("*.example.com", ["a.example.com"], True),
        ("*.example.com", ["a.b.example.com"], True),
        ("*.example.com", ["example.com"], False),
        ("a.example.com", ["*.example.com"], True),
        ("*.a.example.com", ["*.example.com"], True),
        ("a.example.com", ["b.example.com", "a.example.com"], True),
        ("a.example.com", ["b.example.com"], False),
    ],
)
def test_host_names_of_listener_and_route_must_meet(hostname: Any, hostnames: Any, admitted: bool) -> None:
    listener = HTTP if hostname is None else {**HTTP, "hostname": hostname}
    assert [path for path, _ in found(listener, hostnames=hostnames)] == ([] if admitted else [NAME])


def test_a_listener_for_other_kinds_takes_no_http_route() -> None:
    listener = {"name": "grpc", "allowedRoutes": {**ALL, "kinds": [{"kind": "GRPCRoute"}]}}
    [(path, evidence)] = found(listener)
    assert (path, "takes no HTTPRoute, but GRPCRoute" in evidence) == (NAME, True)
    assert (
        found({"name": "both", "allowedRoutes": {**ALL, "kinds": [{"kind": "GRPCRoute"}, {"kind": "HTTPRoute"}]}}) == []
    )
