"""Which Gateways and listeners are ours to serve, and what is wrong with those that can't be."""

import pytest

from sandbox.gateway.gateways import resolve
from sandbox.gateway.model import Gateway, Model
from sandbox.gateway.store import World
from tests.sandbox.gateway.certificate import CHAIN, KEY, secret, secure
from tests.sandbox.gateway.objects import changed, without, world

GRANT = """
apiVersion: gateway.networking.k8s.io/v1beta1
kind: ReferenceGrant
metadata: {name: doors, namespace: other}
spec:
  from: [{group: gateway.networking.k8s.io, kind: Gateway, namespace: models}]
  to: [{group: "", kind: Secret, name: door}]
"""


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
        ("spec.listeners.0.protocol", "TCP", "UnsupportedProtocol"),
        ("spec.listeners.0.port", 15021, "PortUnavailable"),
    ],
)
def test_a_listener_that_cannot_be_served_is_named(path: str, value: object, reason: str) -> None:
    gateway = door(changed(world(), "Gateway", "door", path, value))
    assert gateway.listeners[0].verdicts["Accepted"].reason == reason
    assert (gateway.accepted.good, gateway.accepted.reason) == (False, "ListenersNotValid")
    assert gateway.hosts == {}


def came_to(content: World, references: list[dict[str, str]]) -> tuple[bool, str, bool]:
    """What an HTTPS listener with references comes to: resolved, the reason, and whether it serves."""
    (one,) = door(changed(content, "Gateway", "door", "spec.listeners", [secure(references=references)])).listeners
    verdict = one.verdicts["ResolvedRefs"]
    return verdict.good, verdict.reason, one.usable


def test_a_certificate_and_its_key_make_an_https_listener() -> None:
    (one,) = door(changed(world(secret("door")), "Gateway", "door", "spec.listeners", [secure("door")])).listeners
    assert one.verdicts["ResolvedRefs"].good
    assert one.usable
    (held,) = one.certificates
    assert held.chain == CHAIN
    assert held.key == KEY


@pytest.mark.parametrize(
    ("content", "reference", "reason"),
    [
        (world(), {"name": "door"}, "InvalidCertificateRef"),
        (world(secret("door")), {"name": "door", "kind": "ConfigMap"}, "InvalidCertificateRef"),
        (world(secret("door", key="no key")), {"name": "door"}, "InvalidCertificateRef"),
        (world(secret("door", namespace="other")), {"name": "door", "namespace": "other"}, "RefNotPermitted"),
    ],
)
def test_a_certificate_that_cannot_be_used_leaves_the_listener_out(
    content: World, reference: dict[str, str], reason: str
) -> None:
    assert came_to(content, [reference]) == (False, reason, False)
    gateway = door(changed(content, "Gateway", "door", "spec.listeners", [secure(references=[reference])]))
    assert (gateway.accepted.good, gateway.accepted.reason) == (False, "ListenersNotValid")
    assert gateway.hosts == {}


def test_another_namespaces_certificate_needs_its_permission() -> None:
    content = world(secret("door", namespace="other"), GRANT)
    assert came_to(content, [{"name": "door", "namespace": "other"}]) == (True, "ResolvedRefs", True)


def test_one_certificate_that_can_be_used_is_enough_to_serve() -> None:
    references = [{"name": "door"}, {"name": "absent"}]
    assert came_to(world(secret("door")), references) == (False, "InvalidCertificateRef", True)


def test_tls_that_is_to_be_passed_through_is_not_served() -> None:
    listener = {**secure("door"), "tls": {"mode": "Passthrough"}}
    (one,) = door(changed(world(), "Gateway", "door", "spec.listeners", [listener])).listeners
    assert one.verdicts["Accepted"].reason == "UnsupportedProtocol"


def test_two_protocols_on_one_port_are_in_conflict_and_the_rest_goes_on() -> None:
    listeners = [
        {"name": "plain", "port": 80, "protocol": "HTTP"},
        {"name": "secret", "port": 80, "protocol": "HTTPS", "tls": {"certificateRefs": []}},
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
