"""The cluster's DNS: answers the sandbox's pods like CoreDNS, for names of Services.

A Service's name resolves to its cluster IP, that of a headless Service to the addresses of its Ready pods. There are no
names of pods or of hosts outside, which pods can't reach.
"""

import asyncio
from collections.abc import Callable
from typing import cast

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

from sandbox.network.store import World, ready_addresses

PORT = 53
ZONE = dns.name.from_text("svc.cluster.local.")
TTL = 5
"""Seconds, as CoreDNS has for Services."""

Now = Callable[[], World]
"""Returns the objects of the API server; empty while they are unknown."""


async def serve(address: str, now: Now, port: int = PORT) -> None:
    """Answer queries at an address, over UDP and TCP, until the process ends."""
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(lambda: _Datagrams(now), (address, port))
    await asyncio.start_server(_stream(now), address, port)


def answer(world: World, question: dns.message.Message) -> dns.message.Message:
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
    return answer(now(), question).to_wire(max_size=size, prefer_truncation=True)


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
