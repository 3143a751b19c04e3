"""Names and addresses of Services, as the sandbox's pods find them."""

import asyncio
import socket

import dns.asyncquery
import dns.message
import dns.rcode
import dns.rdatatype
import pytest

from sandbox.gateway.dns import answer, serve
from sandbox.gateway.doors import Door, doors
from sandbox.gateway.gateways import resolve
from sandbox.gateway.references import service_endpoints
from tests.sandbox.gateway.objects import slice_of, world

SERVICES = """
apiVersion: v1
kind: Service
metadata: {name: picker}
spec: {clusterIP: 10.96.0.7, ports: [{name: grpc, port: 9002}, {name: metrics, port: 90}]}
---
apiVersion: v1
kind: Service
metadata: {name: workers}
spec: {clusterIP: None, ports: [{name: http, port: 8000}]}
---
apiVersion: v1
kind: Service
metadata: {name: empty}
spec: {clusterIP: None, ports: [{name: http, port: 8000}]}
---
apiVersion: v1
kind: Service
metadata: {name: elsewhere}
spec: {type: ExternalName, externalName: example.com}
---
apiVersion: v1
kind: Service
metadata: {name: envoy, labels: {llm-d.ai/gateway: ours}, creationTimestamp: "2025-01-01T00:00:00Z"}
spec: {clusterIP: 10.96.0.9, ports: [{name: http, port: 80}, {name: https, port: 443}]}
"""
WORKERS = ["10.244.0.3", "10.244.0.1"]
WORLD = world(
    SERVICES,
    slice_of("workers", WORKERS, 8000, "http"),
    slice_of("picker", ["10.244.0.8"], 9002, "grpc"),
    slice_of("empty", ["10.244.0.5"], 8000, "http", ready=False),
)


def asked(name: str, kind: str = "A") -> tuple[str, list[str]]:
    reply = answer(WORLD, dns.message.make_query(name, kind))
    return dns.rcode.to_text(reply.rcode()), [one.to_text() for found in reply.answer for one in found]


@pytest.mark.parametrize(
    ("name", "addresses"),
    [
        ("picker.models.svc.cluster.local.", ["10.96.0.7"]),
        ("PICKER.Models.svc.cluster.local.", ["10.96.0.7"]),
        ("workers.models.svc.cluster.local.", ["10.244.0.1", "10.244.0.3"]),
    ],
)
def test_a_service_has_its_address_and_a_headless_one_those_of_its_ready_pods(name: str, addresses: list[str]) -> None:
    assert asked(name) == ("NOERROR", addresses)
    assert asked(name, "AAAA") == ("NOERROR", [])


@pytest.mark.parametrize(
    "name",
    [
        *("nobody.models.svc.cluster.local.", "picker.other.svc.cluster.local.", "empty.models.svc.cluster.local."),
        *("elsewhere.models.svc.cluster.local.", "a.picker.models.svc.cluster.local.", "svc.cluster.local."),
        *("picker.models.", "picker.models.svc.example.com.", "example.com.", "."),
    ],
)
def test_nobody_else_has_a_name(name: str) -> None:
    assert asked(name) == ("NXDOMAIN", [])


async def _on_the_wire(question: dns.message.Message) -> tuple[dns.message.Message, bool]:
    """Ask a real server over UDP, where a stranger has sent nonsense before, and again over TCP if told so."""
    many = world(SERVICES, slice_of("workers", [f"10.244.1.{number}" for number in range(200)], 8000, "http"))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    await serve("127.0.0.1", lambda: many, port)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.sendto(b"nonsense", ("127.0.0.1", port))
    return await dns.asyncquery.udp_with_fallback(question, "127.0.0.1", timeout=20, port=port)


def test_questions_are_answered_on_the_wire_and_what_is_too_long_for_a_datagram_over_tcp() -> None:
    short = dns.message.make_query("picker.models.svc.cluster.local.", "A")
    reply, over_tcp = asyncio.run(_on_the_wire(short))
    assert (len(reply.answer[0]), over_tcp) == (1, False)
    long = dns.message.make_query("workers.models.svc.cluster.local.", "A", use_edns=False)
    reply, over_tcp = asyncio.run(_on_the_wire(long))
    assert (len(reply.answer[0]), over_tcp) == (200, True)


def test_what_is_ready_behind_a_port_is_found_by_the_ports_name() -> None:
    assert service_endpoints(WORLD, ("models", "picker"), 9002) == [("10.244.0.8", 9002)]
    assert service_endpoints(WORLD, ("models", "picker"), 90) == []
    assert service_endpoints(WORLD, ("models", "picker"), 9003) == []
    assert service_endpoints(WORLD, ("models", "empty"), 8000) == []


def test_gateways_and_envoys_without_one_are_ways_in_oldest_first() -> None:
    assert list(doors(WORLD, resolve(WORLD)).items()) == [
        (("models", "ours"), Door(("models", "envoy"), 80, "2025-01-01T00:00:00Z")),
        (("models", "door"), Door(("models", "door-istio"), 80, "2026-01-01T00:00:00Z")),
        (("models", "ours:443"), Door(("models", "envoy"), 443, "2025-01-01T00:00:00Z")),
    ]
