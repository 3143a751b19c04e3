"""`python -m sandbox.network <plan.json>`: keeps addresses, ports and statuses in line with the API server."""

import asyncio
import json
import os
import socket
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from sandbox.cluster import relay
from sandbox.cluster.api import Api, ApiError, connect
from sandbox.cluster.control_plane import ADDRESS
from sandbox.errors import SandboxError
from sandbox.network import gateways, services
from sandbox.network.gateways import HostPorts, Key, Listener, Object, World, listeners
from sandbox.network.services import Services

_GATHERING_SECONDS = 0.01
"""Seconds to collect changes, which often come together."""
_AGAIN_SECONDS = 1.0
"""Seconds until a refused request is repeated."""
_EXPECTED = (403, 404, 409)
"""Refusals of a status if its object has just been changed or deleted."""


_GATEWAY_API = "/apis/gateway.networking.k8s.io/v1"
_PATHS: Mapping[str, str] = MappingProxyType(
    {
        "GatewayClass": f"{_GATEWAY_API}/gatewayclasses",
        "Gateway": f"{_GATEWAY_API}/gateways",
        "EndpointSlice": "/apis/discovery.k8s.io/v1/endpointslices",
        "Service": "/api/v1/services",
    }
)


class Loop:
    """Serves names, addresses and ports of one sandbox. Without `isolated`, Gateways get a simulated status only."""

    def __init__(self, api: Api, plan: dict[str, Any]) -> None:
        self._api = api
        self._isolated: bool = plan["isolated"]
        self._listening = {one["fd"]: one["port"] for one in plan["listening"]}
        self._loop, self._wake = asyncio.get_running_loop(), asyncio.Event()
        self._objects: dict[str, dict[Key, Object]] = {kind: {} for kind in _PATHS}
        self._unknown = set(_PATHS)
        self._failure: Exception | None = None
        self._host_ports = HostPorts(Path(plan["root"]), self._listening.values())
        self._services = Services()
        self._listeners: Mapping[Key, Listener] = {}
        self._world: World = {}

    async def run(self) -> None:
        """Work until a watch fails finally. Raises its error."""
        if self._isolated:
            await services.serve_dns(ADDRESS, lambda: self._world)
        for fd, port in self._listening.items():
            await relay.serve(socket.socket(fileno=fd), lambda port=port: self._target(port))  # type: ignore[misc]
        for kind in _PATHS:
            threading.Thread(target=self._follow, args=(kind,), name=kind, daemon=True).start()
        while not self._failure:
            await self._wake.wait()
            await asyncio.sleep(_GATHERING_SECONDS)
            self._wake.clear()
            if not self._unknown:
                await self._round({kind: dict(objects) for kind, objects in self._objects.items()})
        raise self._failure

    def _follow(self, kind: str) -> None:
        """Follow the objects of a kind, in a thread that ends with the process."""
        try:
            for event, one in self._api.watch(_PATHS[kind]):
                self._loop.call_soon_threadsafe(self._take, kind, event, one)
        except (ApiError, SandboxError) as failure:
            self._failure = failure
            self._loop.call_soon_threadsafe(self._wake.set)

    def _take(self, kind: str, event: str, one: dict[str, Any]) -> None:
        if event == "SYNCED":
            self._unknown.discard(kind)
        elif event != "BOOKMARK":
            metadata = one["metadata"]
            metadata.pop("managedFields", None)
            key = (metadata.get("namespace", ""), metadata["name"])
            if event == "DELETED":
                self._objects[kind].pop(key, None)
            else:
                self._objects[kind][key] = one
        self._wake.set()

    async def _round(self, world: World) -> None:
        self._world = world
        statuses = list(gateways.statuses(world, simulated=not self._isolated))
        if self._isolated:
            for key, address in await self._services.provide(world):
                balanced = {"status": {"loadBalancer": {"ingress": [{"ip": address}]}}}
                statuses.append((f"/api/v1/namespaces/{key[0]}/services/{key[1]}/status", balanced))
            self._listeners = listeners(world)
            self._host_ports.assign(self._listeners)
        written = await asyncio.to_thread(lambda: [self._write(path, body) for path, body in statuses])
        if not all(written):
            self._loop.call_later(_AGAIN_SECONDS, self._wake.set)

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


async def _run(plan: dict[str, Any]) -> None:
    with connect(Path(plan["kubeconfig"])) as api:
        await Loop(api, plan).run()


def main() -> None:
    """Read the plan and work."""
    plan = json.loads(Path(sys.argv[1]).read_text())
    try:
        asyncio.run(_run(plan))
    except (SandboxError, ApiError, OSError) as error:
        print(f"the sandbox's network ended: {error}", flush=True)
        os._exit(1)  # threads still wait for events; the keeper starts the process again


if __name__ == "__main__":
    main()
