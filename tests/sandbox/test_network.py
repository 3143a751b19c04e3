"""Names, addresses and host ports of Services, from the API server's objects."""

import json
from pathlib import Path
from typing import Any

import dns.message
import dns.rcode
import pytest

from sandbox.network.gateways import FILE, HostPorts, Listener, World, assigned_ports, key_of, listeners
from sandbox.network.services import dns_answer

SPACE = "models"
A, B, C = (SPACE, "a"), (SPACE, "b"), (SPACE, "c")


def service(name: str, address: str, *ports: tuple[str, int], since: str = "2026-01-01", **labels: str) -> Any:
    metadata = {"name": name, "namespace": SPACE, "creationTimestamp": since, "labels": labels}
    listed = [{"name": port, "port": number} for port, number in ports]
    return {"metadata": metadata, "spec": {"clusterIP": address, "ports": listed}}


def endpoints(of: str, addresses: list[str], port: tuple[str, int], *, ready: bool = True) -> Any:
    return {
        "metadata": {"name": f"{of}-1", "namespace": SPACE, "labels": {"kubernetes.io/service-name": of}},
        "endpoints": [{"addresses": [one], "conditions": {"ready": ready}} for one in addresses],
        "ports": [{"name": port[0], "port": port[1]}],
    }


def world() -> World:
    elsewhere = {"metadata": {"name": "elsewhere", "creationTimestamp": ""}, "spec": {"type": "ExternalName"}}
    services = [
        service("epp", "10.96.0.7", ("grpc", 9002), ("metrics", 90)),
        service("workers", "None", ("http", 8000)),
        service("empty", "None", ("http", 8000)),
        service("envoy", "10.96.0.9", ("http", 80), ("https", 443), since="2025", **{"llm-d.ai/gateway": "own"}),
        service(
            *("front-istio", "10.96.0.10", ("status-port", 15021), ("default", 80)),
            **{"gateway.networking.k8s.io/gateway-name": "front"},
        ),
        elsewhere,
    ]
    slices = [
        endpoints("workers", ["10.244.0.3", "10.244.0.1"], ("http", 8000)),
        endpoints("epp", ["10.244.0.8"], ("grpc", 9002)),
        endpoints("empty", ["10.244.0.5"], ("http", 8000), ready=False),
    ]
    gateway = {"metadata": {"creationTimestamp": "2026-01-01"}, "spec": {"listeners": [{"port": 80}]}}
    return {
        "Service": {(SPACE, one["metadata"]["name"]): one for one in services},
        "EndpointSlice": {(SPACE, one["metadata"]["name"]): one for one in slices},
        "Gateway": {(SPACE, "front"): gateway},
    }


WORLD = world()


@pytest.mark.parametrize(
    ("name", "addresses"),
    [
        ("EPP.Models.svc.cluster.local.", ["10.96.0.7"]),
        ("workers.models.svc.cluster.local.", ["10.244.0.1", "10.244.0.3"]),
        *((f"{name}.models.svc.cluster.local.", []) for name in ("absent", "empty", "elsewhere", "a.epp")),
        *((name, []) for name in ("svc.cluster.local.", "epp.other.svc.cluster.local.", "example.com.", ".")),
    ],
)
def test_a_services_name_resolves_and_a_headless_one_to_ready_pods(name: str, addresses: list[str]) -> None:
    reply = dns_answer(WORLD, dns.message.make_query(name, "A"))
    assert dns.rcode.to_text(reply.rcode()) == ("NOERROR" if addresses else "NXDOMAIN")
    assert [one.to_text() for found in reply.answer for one in found] == addresses


def test_listeners_of_gateways_and_standalone_envoys_sort_by_age() -> None:
    assert list(listeners(WORLD).items()) == [
        ((SPACE, "own"), Listener((SPACE, "envoy"), 80, "2025")),
        ((SPACE, "front"), Listener((SPACE, "front-istio"), 80, "2026-01-01")),
        ((SPACE, "own:443"), Listener((SPACE, "envoy"), 443, "2025")),
    ]


def test_listeners_get_ports_in_order_and_keep_them_across_a_restart(tmp_path: Path) -> None:
    ports = HostPorts(tmp_path, [8001, 8002])
    assert assigned_ports(tmp_path) == {}
    ports.assign([A, B, C])
    assert json.loads((tmp_path / FILE).read_text()) == {"models/a": 8001, "models/b": 8002}
    ports.assign([B, key_of(C, 443)])
    again = HostPorts(tmp_path, [8001, 8002])
    again.assign([B, key_of(C, 443), A])
    assert assigned_ports(tmp_path) == {B: 8002, key_of(C, 443): 8001}
    assert (again.holder(8001), again.holder(1)) == (key_of(C, 443), None)
    moved = HostPorts(tmp_path, [9001])
    moved.assign([A])
    assert assigned_ports(tmp_path) == {A: 9001}
