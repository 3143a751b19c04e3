"""Which Gateways and listeners are ours to serve, and what is wrong with those that can't be."""

import pytest

from sandbox.gateway.gateways import resolve
from sandbox.gateway.model import Gateway, Model
from sandbox.gateway.store import World
from tests.sandbox.gateway.objects import changed, without, world


def door(content: World) -> Gateway:
    return resolve(content).gateways[("models", "door")]


def test_a_gateway_of_somebody_elses_class_is_left_alone() -> None:
    content = changed(world(), "Gateway", "door", "spec.gatewayClassName", "cilium")
    assert resolve(content) == Model()
    foreign = world()
    other = {"spec": {"controllerName": "example.com/their-own-istio"}}
    foreign = {**foreign, "GatewayClass": {("", "istio"): {**foreign["GatewayClass"][("", "istio")], **other}}}
    assert resolve(foreign) == Model()
    assert resolve(without(world(), "GatewayClass", "istio")) == Model()


def test_a_gateway_that_is_being_deleted_is_gone() -> None:
    content = changed(world(), "Gateway", "door", "metadata.deletionTimestamp", "2026-01-02T00:00:00Z")
    assert resolve(content) == Model()


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        ("spec.listeners.0.protocol", "HTTPS", "UnsupportedProtocol"),
        ("spec.listeners.0.port", 15021, "PortUnavailable"),
    ],
)
def test_a_listener_that_cannot_be_served_is_named(path: str, value: object, reason: str) -> None:
    gateway = door(changed(world(), "Gateway", "door", path, value))
    assert gateway.listeners[0].verdicts["Accepted"].reason == reason
    assert (gateway.accepted.good, gateway.accepted.reason) == (False, "ListenersNotValid")
    assert gateway.hosts == {}


def test_two_protocols_on_one_port_are_in_conflict_and_the_rest_goes_on() -> None:
    listeners = [
        {"name": "plain", "port": 80, "protocol": "HTTP"},
        {"name": "secret", "port": 80, "protocol": "HTTPS"},
        {"name": "fine", "port": 8080, "protocol": "HTTP"},
    ]
    gateway = door(changed(world(), "Gateway", "door", "spec.listeners", listeners))
    assert [one.verdicts["Conflicted"].reason for one in gateway.listeners] == [
        "ProtocolConflict",
        "ProtocolConflict",
        "NoConflicts",
    ]
    assert (gateway.accepted.good, gateway.accepted.reason) == (True, "ListenersNotValid")
    assert list(gateway.hosts) == [8080]


def test_a_listener_for_other_routes_only_takes_none_of_ours() -> None:
    content = changed(world(), "Gateway", "door", "spec.listeners.0.allowedRoutes.kinds", [{"kind": "TCPRoute"}])
    gateway = door(content)
    assert gateway.listeners[0].verdicts["ResolvedRefs"].reason == "InvalidRouteKinds"
    (parent,) = resolve(content).routes[("models", "chat")]
    assert parent.verdicts["Accepted"].reason == "NotAllowedByListeners"
