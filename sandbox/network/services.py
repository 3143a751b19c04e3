"""Names and addresses of Services: the work of CoreDNS, kube-proxy and a cloud's load balancer.

A Service's name resolves to its cluster IP, that of a headless Service to the addresses of its Ready pods. There are no
names of pods or of hosts outside, which pods can't reach. The addresses are on the sandbox's bridge, which is the route
of its pods, nodes and commands for all that is not local. TCP only. Every new connection goes to a random Ready
endpoint.
"""

import asyncio
import random
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

from sandbox.cluster import relay
from sandbox.cluster.control_plane import BRIDGE
from sandbox.network.gateways import Key, Object, World

PORT = 53
ZONE = dns.name.from_text("svc.cluster.local.")
TTL = 5
"""Seconds, as CoreDNS has for Services."""

Now = Callable[[], World]
"""Returns the objects of the API server; empty while they are unknown."""


async def serve_dns(address: str, now: Now, port: int = PORT) -> None:
    """Answer queries at an address, over UDP and TCP, until the process ends."""
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(lambda: _Datagrams(now), (address, port))
    await asyncio.start_server(_stream(now), address, port)


def dns_answer(world: World, question: dns.message.Message) -> dns.message.Message:
    """Return the answer to a query."""
    reply = dns.message.make_response(question, recursion_available=True)
    reply.flags |= dns.flags.AA
    name, kind = question.question[0].name, question.question[0].rdtype
    addresses = _addresses(world, name)
    if not addresses:
        reply.set_rcode(dns.rcode.NXDOMAIN)
    elif kind == dns.rdatatype.A:
        reply.answer.append(dns.rrset.from_text(name, TTL, "IN", "A", *addresses))
    return reply


def _addresses(world: World, name: dns.name.Name) -> list[str]:
    labels = [label.decode().lower() for label in name.relativize(ZONE).labels]
    if not name.is_subdomain(ZONE) or len(labels) != 2:
        return []
    key = (labels[1], labels[0])
    service = world.get("Service", {}).get(key)
    if service is None or "clusterIP" not in service["spec"]:
        return []
    address = str(service["spec"]["clusterIP"])
    return ready_addresses(world, key) if address == "None" else [address]


def _wire(data: bytes, now: Now, *, limited: bool) -> bytes:
    """Return the encoded answer. A long one is truncated for a datagram, so the client asks again over TCP."""
    question = dns.message.from_wire(data)
    size = max(512, question.payload) if limited else 65535
    return dns_answer(now(), question).to_wire(max_size=size, prefer_truncation=True)


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, now: Now) -> None:
        self._now = now

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)  # asyncio's is no instance before 3.12

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        try:
            reply = _wire(data, self._now, limited=True)
        except (dns.exception.DNSException, IndexError):  # no DNS message
            return
        self._transport.sendto(reply, addr)


def _stream(now: Now):  # type: ignore[no-untyped-def]
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                length = int.from_bytes(await reader.readexactly(2))
                reply = _wire(await reader.readexactly(length), now, limited=False)
                writer.write(len(reply).to_bytes(2) + reply)
                await writer.drain()
        except (dns.exception.DNSException, IndexError, asyncio.IncompleteReadError, OSError):
            writer.close()

    return talk


_BALANCED = [f"10.244.252.{number}" for number in range(1, 255)]
_Place = tuple[Key, str]
"""A Service and one of its addresses."""


class Services:
    """Addresses of all Services."""

    def __init__(self) -> None:
        self._world: World = {}
        self._open: dict[_Place, dict[int, asyncio.Server]] = {}

    async def provide(self, world: World) -> list[tuple[Key, str]]:
        """Listen on exactly the needed addresses; return Services without the load balancer's address in their status.

        Raises `OSError` when an address is not available.
        """
        self._world = world
        balanced = dict(self._balanced(world))
        wanted: dict[_Place, set[int]] = {}
        for key, service in world["Service"].items():
            ports = {one["port"] for one in service["spec"].get("ports") or () if one["protocol"] == "TCP"}
            for address in (service["spec"].get("clusterIP"), balanced.get(key)):
                if address not in (None, "", "None"):
                    wanted[key, str(address)] = ports
        for place in self._open.keys() - wanted.keys():
            for server in self._open.pop(place).values():
                server.close()
            await _ip("del", place[1])
        for place, ports in wanted.items():
            if place not in self._open:
                await _ip("replace", place[1])
                self._open[place] = {}
            await self._listen(place, ports)
        present = {key: _address(world["Service"][key]) for key in balanced}
        return [(key, address) for key, address in balanced.items() if present[key] != address]

    def target(self, service: Key, port: int) -> relay.Target | None:
        """Return a Ready endpoint of a Service's port; None if there is none."""
        endpoints = service_endpoints(self._world, service, port)
        return random.choice(endpoints) if endpoints else None

    def _balanced(self, world: World) -> Iterator[tuple[Key, str]]:
        """Yield each LoadBalancer Service with its present address or a free one."""
        services = {key: one for key, one in world["Service"].items() if one["spec"].get("type") == "LoadBalancer"}
        open_ones = {key: address for key, address in self._open if address in _BALANCED}
        known = {key: _address(service) or open_ones.get(key) for key, service in services.items()}
        free = (address for address in _BALANCED if address not in {*known.values(), *open_ones.values()})
        for key, address in known.items():
            yield key, address or next(free)

    async def _listen(self, place: _Place, ports: set[int]) -> None:
        (service, address), servers = place, self._open[place]
        for port in servers.keys() - ports:
            servers.pop(port).close()
        for port in ports - servers.keys():
            listening = socket.create_server((address, port), backlog=128)
            servers[port] = await relay.serve(listening, lambda port=port: self.target(service, port))  # type: ignore[misc]


def _address(service: Object) -> str | None:
    ingress = (service.get("status", {}).get("loadBalancer") or {}).get("ingress") or [{}]
    address: str | None = ingress[0].get("ip")
    return address


async def _ip(verb: str, address: str) -> None:
    command = ["ip", "addr", verb, f"{address}/32", "dev", BRIDGE]
    await asyncio.to_thread(subprocess.run, command, check=False, capture_output=True)


def service_endpoints(world: World, service: Key, number: int) -> list[tuple[str, int]]:
    """Return addresses and ports of the Ready endpoints of a Service's port."""
    port = _port(world, service, number)
    if port is None:
        return []
    found = {
        (endpoint["addresses"][0], actual["port"])
        for one in _slices(world, service)
        for endpoint in _ready(one)
        for actual in one.get("ports") or ()
        if (actual.get("name") or "") == port.get("name", "")
    }
    return sorted(found)


def ready_addresses(world: World, service: Key) -> list[str]:
    """Return the addresses of a Service's Ready pods."""
    return sorted({endpoint["addresses"][0] for one in _slices(world, service) for endpoint in _ready(one)})


def _port(world: World, service: Key, number: int) -> Mapping[str, Any] | None:
    ports = world["Service"].get(service, {}).get("spec", {}).get("ports") or ()
    return next((one for one in ports if one["port"] == number), None)


def _slices(world: World, service: Key) -> Iterator[Object]:
    for (namespace, _), one in world["EndpointSlice"].items():
        labels = one["metadata"].get("labels", {})
        if namespace == service[0] and labels.get("kubernetes.io/service-name") == service[1]:
            yield one


def _ready(one: Object) -> Iterator[Mapping[str, Any]]:
    for endpoint in one.get("endpoints") or ():
        if endpoint.get("conditions", {}).get("ready") is not False:
            yield endpoint
