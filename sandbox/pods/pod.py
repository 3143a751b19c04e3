"""The life of one pod: volumes and network, its containers in order, its status, its end."""

import asyncio
import contextlib
import os
import shutil
import time
from collections.abc import Coroutine
from typing import Any

from sandbox.cluster.api import ApiError, Object
from sandbox.errors import SandboxError
from sandbox.pods import logs, network, status
from sandbox.pods.container import Container
from sandbox.pods.events import Events
from sandbox.pods.node import Node
from sandbox.pods.runtime import Runtime, path_of
from sandbox.pods.volumes import MountError, Volumes

_MOUNT_RETRY = 1.0
_SAFE_SYSCTLS = frozenset({"net.ipv4.ip_unprivileged_port_start", "net.ipv4.ip_local_port_range"})
"""Those of kubernetes/kubernetes v1.34 pkg/kubelet/sysctl/safe_sysctls.go that a stack's pods ask for."""
_RENEWAL = 60.0
"""How often ConfigMaps, Secrets and tokens are read again, in seconds: a kubelet's default."""


class Pod:
    """A pod on a node of the sandbox. On the host's network it has the node's own address."""

    def __init__(self, pod: Object, runtime: Runtime, node: Node, address: str) -> None:
        metadata, spec = pod["metadata"], pod["spec"]
        self.runtime, self.node, self.address = runtime, node, address
        self.name, self.namespace, self.uid = metadata["name"], metadata["namespace"], metadata["uid"]
        own_name = spec.get("hostname") or self.name
        self._on_host = bool(spec.get("hostNetwork"))
        self.hostname: str = spec["nodeName"] if self._on_host else own_name[:63]
        self.folder = runtime.volumes / self.uid
        self.logs = logs.folder(runtime.logs, self.name, self.namespace)
        self.lookup = runtime.lookup(self.namespace)
        self.volumes = Volumes(pod, self.folder / "volumes", runtime.claims, self.lookup, runtime.tokens)
        self.events = Events(runtime.api, pod)
        self.update(pod)
        self.network = -1
        """Its open network namespace, once it has one."""
        self.containers = self._made()
        self._started = pod.get("status", {}).get("startTime") or status.now()
        self._conditions = {one["type"]: one for one in pod.get("status", {}).get("conditions", [])}
        self._changed, self._deleted, self._vanished = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._deadline = 0.0
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Run it until it has ended or vanished. Leaves nothing behind."""
        try:
            orderly, vanished = self.spawn(self._run()), self.spawn(self._once(self._vanished))
            await asyncio.wait([orderly, vanished], return_when=asyncio.FIRST_COMPLETED)
            if orderly.done():
                orderly.result()
        finally:
            await self._clean_up()

    def update(self, pod: Object) -> None:
        """Take note of the object's present state."""
        told = {"hostIP": self.node.address, "hostIPs": [{"ip": self.node.address}]}
        told |= {"podIP": self.address, "podIPs": [{"ip": self.address}]}
        self.object: Object = pod | {"status": pod.get("status", {}) | told}
        self.volumes.pod = self.object

    def insist(self) -> None:
        """Write the status again if the node controller has taken Ready away, because the node's lease was late."""
        conditions = self.object["status"].get("conditions") or []
        taken = any(one["type"] == "Ready" and one["status"] == "False" for one in conditions)
        if taken and self._conditions.get("Ready", {}).get("status") == "True":
            self.changed()

    def terminate(self, grace: float) -> None:
        """Begin the end; called again, shorten it."""
        if not self._deleted.is_set():
            self._deadline = time.monotonic() + grace
            self._deleted.set()
        elif time.monotonic() + grace < self._deadline:
            asyncio.get_running_loop().call_later(grace, self._kill)

    def vanish(self) -> None:
        """Kill everything at once: the object or its node is gone."""
        self._vanished.set()

    def changed(self) -> None:
        """Let the API be told that something is different."""
        self._changed.set()

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run something that ends with the pod at the latest."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _made(self) -> list[Container]:
        spec, known = self.object["spec"], self.object["status"]
        told = {one["name"]: one for one in known.get("containerStatuses", []) + known.get("initContainerStatuses", [])}
        made = []
        for one in spec.get("initContainers", []):
            role = status.SIDECAR if one.get("restartPolicy") == "Always" else status.INIT
            made.append(Container(self, one, role, told.get(one["name"])))
        return made + [Container(self, one, status.MAIN, told.get(one["name"])) for one in spec["containers"]]

    async def _run(self) -> None:
        reporting = self.spawn(self._report())
        life, deleted = self.spawn(self._live()), self.spawn(self._once(self._deleted))
        await asyncio.wait([life, deleted, reporting], return_when=asyncio.FIRST_COMPLETED)
        for ended in (one for one in (life, reporting) if one.done()):
            ended.result()
        await asyncio.wait([deleted, reporting], return_when=asyncio.FIRST_COMPLETED)
        await self._end_those([status.INIT, status.MAIN, status.SIDECAR])
        reporting.cancel()
        await self._tell()
        await self._delete()

    async def _once(self, event: asyncio.Event) -> None:
        await event.wait()

    async def _live(self) -> None:
        await self._prepare()
        self.changed()
        self.spawn(self._renew())
        for one in self.containers:
            if one.told.role == status.MAIN:
                continue
            running = self.spawn(one.run())
            if one.told.role == status.SIDECAR:
                await one.may_follow.wait()
                continue
            await running
            if not one.told.done:
                await self._end_those([status.SIDECAR])
                return
        mains = [one for one in self.containers if one.told.role == status.MAIN]
        for one in mains:
            one.told.state = status.waiting("ContainerCreating")
        await asyncio.gather(*[self.spawn(one.run()) for one in mains])
        await self._end_those([status.SIDECAR])

    async def _prepare(self) -> None:
        await self.node.open()
        self.network = self.node.network if self._on_host else await self._own_network()
        while True:
            try:
                await asyncio.to_thread(self.volumes.prepare)
                return
            except (MountError, ApiError, SandboxError) as error:
                self.events.warn("FailedMount", f"MountVolume.SetUp failed: {error}")
                for one in self.containers:
                    one.told.state = status.waiting("ContainerCreating", str(error))
                self.changed()
                await asyncio.sleep(_MOUNT_RETRY)

    async def _own_network(self) -> int:
        """Make the pod's network, with the sysctls that a kubelet allows by default."""
        asked = (self.object["spec"].get("securityContext") or {}).get("sysctls") or []
        refused = [one["name"] for one in asked if one["name"] not in _SAFE_SYSCTLS]
        if refused:
            self.events.warn("SysctlForbidden", f"forbidden sysctl: {', '.join(refused)} not allowlisted")
        allowed = {one["name"]: one["value"] for one in asked if one["name"] in _SAFE_SYSCTLS}
        return await asyncio.to_thread(network.make, self.address, allowed)

    async def _renew(self) -> None:
        """Read again what may change, and keep logs in bounds."""
        while True:
            await asyncio.sleep(_RENEWAL)
            with contextlib.suppress(MountError, ApiError, SandboxError):  # what is there stays
                await asyncio.to_thread(self.volumes.prepare)
            for one in self.containers:
                await asyncio.to_thread(one.log.bound)

    async def _end_those(self, roles: list[str]) -> None:
        """End containers: the main ones together, then sidecars, the last one first; their hooks start at once."""
        grace = self.object["spec"].get("terminationGracePeriodSeconds", 30)
        deadline = self._deadline or time.monotonic() + grace
        ending: list[asyncio.Task[None]] = []
        wanted = [one for one in self.containers if one.told.role in roles]
        ending += [self.spawn(one.end(deadline, [])) for one in wanted if one.told.role != status.SIDECAR]
        for one in reversed([one for one in wanted if one.told.role == status.SIDECAR]):
            ending.append(self.spawn(one.end(deadline, list(ending))))
        await asyncio.gather(*ending)

    def _kill(self) -> None:
        for one in self.containers:
            one.kill()

    async def _report(self) -> None:
        while await self._tell():
            await self._changed.wait()
        self.vanish()

    async def _tell(self) -> bool:
        """Write the status; False if the pod is gone."""
        self._changed.clear()
        address = None if self.network < 0 else self.address
        containers = [one.told for one in self.containers]
        told = status.whole(
            self.object, containers, self._conditions, host=self.node.address, address=address, started=self._started
        )
        self._conditions = self._conditions | {one["type"]: one for one in told["conditions"]}
        return await self.runtime.patch_status(self.object, told)

    async def _delete(self) -> None:
        with contextlib.suppress(ApiError, SandboxError):  # somebody else has deleted it, or the sandbox ends
            await asyncio.to_thread(self.runtime.api.delete, path_of(self.object), gracePeriodSeconds="0")

    async def _clean_up(self) -> None:
        for task in (left := set(self._tasks)):
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        if self.network >= 0 and not self._on_host:
            os.close(self.network)
        self.runtime.tokens.forget(self.uid)
        await asyncio.to_thread(self.volumes.discard)
        for folder in (self.folder, self.logs):
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
