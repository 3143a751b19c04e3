"""Does the work of kube-proxy and of a cloud's load balancer: addresses of Services, and relays to their pods.

The addresses are on the sandbox's bridge, which is the route of its pods, nodes and commands for all that is not local.
TCP only. Every new connection goes to a random Ready endpoint.
"""

import asyncio
import random
import socket
import subprocess
from collections.abc import Iterator

from sandbox.cluster.network import BRIDGE
from sandbox.network import relay
from sandbox.network.store import Key, Object, World, service_endpoints

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
