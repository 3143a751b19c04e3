"""`python -m sandbox.network <plan.json>`: keeps addresses, ports and statuses in line with the API server."""

import asyncio
import json
import os
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sandbox.cluster import relay
from sandbox.cluster.api import Api, ApiError, connect
from sandbox.cluster.control_plane import ADDRESS
from sandbox.errors import SandboxError
from sandbox.network import gateways, services
from sandbox.network.gateways import HostPorts, Listener, listeners
from sandbox.network.services import Services
from sandbox.network.store import Key, Store, World

_GATHERING_SECONDS = 0.01
"""Seconds to collect changes, which often come together."""
_AGAIN_SECONDS = 1.0
"""Seconds until a refused request is repeated."""
_EXPECTED = (403, 404, 409)
"""Refusals of a status if its object has just been changed or deleted."""


@dataclass(frozen=True)
class Plan:
    """The keeper's plan for the network."""

    root: Path
    """The sandbox's home."""
    kubeconfig: Path
    isolated: bool
    """Whether pods run. If not, Gateways of all classes get a simulated status."""
    listening: Mapping[int, int] = field(default_factory=dict)
    """Inherited listening socket → port of the host's 127.0.0.1."""

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> "Plan":
        """Read the keeper's JSON."""
        return cls(
            Path(content["root"]),
            Path(content["kubeconfig"]),
            content["isolated"],
            {one["fd"]: one["port"] for one in content.get("listening") or ()},
        )


class Loop:
    """Serves names, addresses and ports of one sandbox."""

    def __init__(self, api: Api, plan: Plan) -> None:
        self._api, self._plan = api, plan
        self._wake = asyncio.Event()
        loop = asyncio.get_running_loop()

        def changed() -> None:
            loop.call_soon_threadsafe(self._wake.set)

        self._store = Store(api, changed)
        self._host_ports = HostPorts(plan.root, plan.listening.values())
        self._services = Services()
        self._listeners: Mapping[Key, Listener] = {}
        self._world: World = {}

    async def run(self) -> None:
        """Work until a watch fails finally. Raises its error."""
        if self._plan.isolated:
            await services.serve_dns(ADDRESS, lambda: self._world)
        for fd, port in self._plan.listening.items():
            await relay.serve(socket.socket(fileno=fd), lambda port=port: self._target(port))  # type: ignore[misc]
        self._store.start()
        while True:
            await self._wake.wait()
            await asyncio.sleep(_GATHERING_SECONDS)
            self._wake.clear()
            world = self._store.world()
            if world is not None:
                await self._round(world)

    async def _round(self, world: World) -> None:
        self._world = world
        statuses = list(gateways.statuses(world, simulated=not self._plan.isolated))
        if self._plan.isolated:
            for key, address in await self._services.provide(world):
                balanced = {"status": {"loadBalancer": {"ingress": [{"ip": address}]}}}
                statuses.append((f"/api/v1/namespaces/{key[0]}/services/{key[1]}/status", balanced))
            self._listeners = listeners(world)
            self._host_ports.assign(self._listeners)
        written = await asyncio.to_thread(lambda: [self._write(path, body) for path, body in statuses])
        if not all(written):
            asyncio.get_running_loop().call_later(_AGAIN_SECONDS, self._wake.set)

    def _write(self, path: str, body: object) -> bool:
        """Write a status or a class; False = repeat it."""
        try:
            if path.endswith("/status"):
                self._api.patch(path, body)
            else:
                self._api.apply(path, body)
        except ApiError as error:
            if error.code not in _EXPECTED:
                print(f"{path}: {error}", flush=True)
            return error.code == 404
        return True

    def _target(self, port: int) -> relay.Target | None:
        """Return the present target of a host port: a Ready pod of the gateway that has the port; None without one."""
        listener = self._listeners.get(self._host_ports.holder(port) or ("", ""))
        return self._services.target(listener.service, listener.port) if listener else None


async def _run(plan: Plan) -> None:
    with connect(plan.kubeconfig) as api:
        await Loop(api, plan).run()


def main() -> None:
    """Read the plan and work."""
    plan = Plan.of(json.loads(Path(sys.argv[1]).read_text()))
    try:
        asyncio.run(_run(plan))
    except (SandboxError, ApiError, OSError) as error:
        print(f"the sandbox's network ended: {error}", flush=True)
        os._exit(1)  # threads still wait for events; the keeper starts the process again


if __name__ == "__main__":
    main()
