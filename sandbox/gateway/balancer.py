"""The load balancer that a cloud would have: gives the gateways' LoadBalancer Services an address that answers.

On the sandbox's bridge, for its pods and for commands inside; from outside, the host's ports lead to the gateways.
"""

import asyncio
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sandbox.cluster.network import BRIDGE
from sandbox.gateway import relay
from sandbox.gateway.model import Model
from sandbox.gateway.store import Key, Object, World

_ADDRESSES = [f"10.244.252.{number}" for number in range(1, 255)]


@dataclass
class _Open:
    address: str
    servers: dict[int, asyncio.Server]


class Balancer:
    """Relays of the addresses of LoadBalancer Services; `target` says where a Gateway's port leads now."""

    def __init__(self, target: Callable[[Key, int], relay.Target | None]) -> None:
        self._target = target
        self._open: dict[Key, _Open] = {}

    async def provide(self, world: World, model: Model) -> Iterator[tuple[Key, str]]:
        """Open what is needed and close the rest; return the Services that must be told their address."""
        wanted = {key: service for key in model.gateways if (service := _balanced(world, model, key))}
        for key in self._open.keys() - wanted.keys():
            await self._close(self._open.pop(key))
        for key, service in wanted.items():
            if key not in self._open:
                self._open[key] = _Open(_address(service) or self._free(world), {})
                await _ip("replace", self._open[key].address)
            await self._listen(key, set(model.gateways[key].hosts))
        return (
            (model.gateways[key].workload, self._open[key].address)
            for key, service in wanted.items()
            if _address(service) != self._open[key].address
        )

    def _free(self, world: World) -> str:
        taken = {_address(service) for service in world["Service"].values()}
        taken |= {one.address for one in self._open.values()}
        return next(address for address in _ADDRESSES if address not in taken)

    async def _listen(self, key: Key, ports: set[int]) -> None:
        opened = self._open[key]
        for port in opened.servers.keys() - ports:
            opened.servers.pop(port).close()
        for port in ports - opened.servers.keys():
            listening = socket.create_server((opened.address, port))
            opened.servers[port] = await relay.serve(listening, lambda port=port: self._target(key, port))  # type: ignore[misc]

    async def _close(self, opened: _Open) -> None:
        for server in opened.servers.values():
            server.close()
        await _ip("del", opened.address)


def _balanced(world: World, model: Model, key: Key) -> Object | None:
    service = world["Service"].get(model.gateways[key].workload)
    return service if service and service["spec"].get("type") == "LoadBalancer" else None


def _address(service: Object) -> str | None:
    ingress = (service.get("status", {}).get("loadBalancer") or {}).get("ingress") or [{}]
    address: str | None = ingress[0].get("ip")
    return address


async def _ip(verb: str, address: str) -> None:
    command = ["ip", "addr", verb, f"{address}/32", "dev", BRIDGE]
    await asyncio.to_thread(subprocess.run, command, check=False, capture_output=True)
