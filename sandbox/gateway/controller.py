"""The loop: whenever something has changed, work out what is to be, and bring it about."""

import asyncio
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sandbox.cluster.api import Api
from sandbox.cluster.network import ADDRESS
from sandbox.gateway import dns, http, relay, writing
from sandbox.gateway.deployment import DRAIN_PATH, PORT
from sandbox.gateway.doors import Door, doors
from sandbox.gateway.draining import drain
from sandbox.gateway.envoy import resources
from sandbox.gateway.gateways import resolve
from sandbox.gateway.model import Model
from sandbox.gateway.operation import Operations, simulated
from sandbox.gateway.references import terminating
from sandbox.gateway.services import Services
from sandbox.gateway.slots import Slots
from sandbox.gateway.store import Key, Store, World
from sandbox.gateway.writing import Write, Writer
from sandbox.gateway.xds import Configurations

_GATHERING_SECONDS = 0.01
"""Changes come in bunches: one round for all of them."""
_AGAIN_SECONDS = 1.0
"""What the API server refused is tried again after so long."""
_NOTICE_SECONDS = 3.0
"""How long the end of a pod may take to be known here, after the pod runner knows it."""


@dataclass(frozen=True)
class Plan:
    """What the keeper tells the controller."""

    root: Path
    """The sandbox's home."""
    kubeconfig: Path
    envoy: Path
    isolated: bool
    """Whether pods run; else only status is written."""
    listening: Mapping[int, int] = field(default_factory=dict)
    """Inherited listening socket → port of the host's 127.0.0.1."""

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> "Plan":
        """Read the keeper's JSON."""
        return cls(
            Path(content["root"]),
            Path(content["kubeconfig"]),
            Path(content["tools"]["envoy"]),
            content["isolated"],
            {one["fd"]: one["port"] for one in content.get("listening") or ()},
        )


class Controller:
    """One controller for all classes and Gateways of a sandbox."""

    def __init__(self, api: Api, plan: Plan) -> None:
        self._plan = plan
        self._wake = asyncio.Event()
        loop = asyncio.get_running_loop()

        def changed() -> None:
            loop.call_soon_threadsafe(self._wake.set)

        self._store = Store(api, changed)
        self._configurations = Configurations(self._wake.set)
        self._operations = Operations(self._configurations, plan.envoy)
        self._writer = Writer(api)
        self._slots = Slots(plan.root, plan.listening.values())
        self._services = Services()
        self._doors: Mapping[Key, Door] = {}
        self._world: World = {}
        self._model = Model()

    async def run(self) -> None:
        """Work until a watch fails for good. Raises what it failed with."""
        if self._plan.isolated:
            await http.serve(ADDRESS, PORT, self._answer)
            await dns.serve(ADDRESS, lambda: self._world)
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
        model = resolve(world)
        self._world, self._model = world, model
        writes: list[Write] = []
        if self._plan.isolated:
            wanted = {key: resources(one) for key, one in model.gateways.items()}
            self._configurations.publish(wanted)
            for key, one in model.gateways.items():
                if self._operations.unexplained(world, one, wanted[key]):
                    await asyncio.to_thread(self._operations.explain, one, wanted[key])
            operations = {key: self._operations.of(world, one) for key, one in model.gateways.items()}
            writes += self._writer.objects(world, model)
            writes += [writing.balanced(*one) for one in await self._services.provide(world)]
        else:
            operations = {key: simulated(one) for key, one in model.gateways.items()}
        self._doors = doors(world, model)
        self._slots.assign(self._doors)
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        writes += [*writing.classes(world, now), *writing.statuses(world, model, operations, now)]
        done = await asyncio.to_thread(lambda: [self._writer.perform(write) for write in writes])
        if not all(done):
            asyncio.get_running_loop().call_later(_AGAIN_SECONDS, self._wake.set)

    def _target(self, port: int) -> relay.Target | None:
        """Return where the host's port leads now: a ready pod of the gateway that has it."""
        door = self._doors.get(self._slots.holder(port) or ("", ""))
        return self._services.target(door.service, door.port) if door else None

    async def _answer(self, request: http.Request) -> http.Response:
        if not request.path.startswith(DRAIN_PATH):
            return await self._configurations.answer(request)
        namespace, _, name = request.path.removeprefix(DRAIN_PATH).partition("/")
        await asyncio.gather(*(drain(address) for address in await self._ending((namespace, name))))
        return http.Response(200)

    async def _ending(self, key: Key) -> list[str]:
        """Return the addresses of a Gateway's pods that are being ended, as soon as there are any."""
        try:
            async with asyncio.timeout(_NOTICE_SECONDS):
                while True:
                    gateway = self._model.gateways.get(key)
                    if gateway is None:
                        return []
                    if found := terminating(self._world, gateway.workload):
                        return found
                    await asyncio.sleep(_GATHERING_SECONDS)
        except TimeoutError:
            return []
