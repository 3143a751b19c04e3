"""The life of one pod and of its containers: volumes and network, start, probes, restarts, status, end."""

import asyncio
import contextlib
import os
import shutil
import signal
import time
from collections.abc import Coroutine, Sequence
from typing import Any

from sandbox.cluster.api import ApiError, Object
from sandbox.errors import SandboxError
from sandbox.pods import logs, network, probes, status
from sandbox.pods.launcher import Process, StartError
from sandbox.pods.logs import Log
from sandbox.pods.node import Node
from sandbox.pods.runtime import Runtime, path_of
from sandbox.pods.starting import Started, Starter
from sandbox.pods.status import Events
from sandbox.pods.volumes import MountError, Volumes

_FIRST_DELAY, _LONGEST_DELAY, _FORGIVEN_AFTER = 10.0, 300.0, 600.0
"""A kubelet's: the first restart is immediate, then 10 s, doubled each time; ten good minutes and it starts over."""
_SHORTEST_GRACE = 2.0
"""What a container gets between SIGTERM and SIGKILL even if its hook took all the time, as kubelets do."""
_MESSAGE_BYTES = 4096


class Container:
    """One container of a pod. `told` is what the API is told of it, `known` what it was told by an earlier runner."""

    def __init__(self, pod: "Pod", spec: Object, role: str, known: Object | None) -> None:
        self.pod, self.spec = pod, spec
        self.told = status.Container(spec["name"], spec["image"], role)
        if known:
            self._take_over(known)
        self.log = Log(pod.logs / f"{spec['name']}.log")
        self.may_follow = asyncio.Event()
        """Set once what comes after this container may be started."""
        self._starter = Starter(pod, spec, pod.folder / "containers" / spec["name"], self.log)
        self._running: Started | None = None
        self._stopping = False

    async def run(self) -> None:
        """Run it until it has ended for good; cancelled, it is killed."""
        delay = 0.0
        try:
            while True:
                began = time.monotonic()
                code = await self._run_once()
                ran = time.monotonic() - began
                if self._stopping or not self._restarts(code):
                    return
                if self.told.restarts:
                    delay = _FIRST_DELAY if not delay or ran > _FORGIVEN_AFTER else min(_LONGEST_DELAY, delay * 2)
                await self._back_off(delay)
                self.told.restarts += 1
        finally:
            if self._running:
                self.kill()
                await asyncio.shield(self._running.process.ended)

    async def end(self, deadline: float, before: Sequence[asyncio.Task[None]]) -> None:
        """End it in order: hook, those that end before it, SIGTERM, SIGKILL. `deadline` is a monotonic clock's time."""
        again, self._stopping = self._stopping, True
        if self._running is None:
            return
        process = self._running.process
        if again:  # its pod is deleted while the main containers end by themselves: one SIGTERM is enough
            await asyncio.shield(process.ended)
            return
        await self._pre_stop(deadline)
        if before:
            await asyncio.wait(before, timeout=max(0, deadline - time.monotonic()))
        await self._terminate(process, deadline)

    def kill(self) -> None:
        """End it at once."""
        if self._running:
            self._running.process.kill(signal.SIGKILL)

    async def execute(self, command: list[str]) -> tuple[int, str]:
        """Run a command inside; return its exit code and the beginning of what it printed. Raises `checks.Failed`."""
        if self._running is None:
            raise probes.Failed("the container isn't running")
        output = os.memfd_create("output")
        try:
            process = await self.pod.runtime.launcher.inside(
                self._running.process,
                output,
                command=command,
                environment=self._running.variables,
                folder=self.spec.get("workingDir") or "/",
                rights=self._running.rights,
            )
            try:
                return await asyncio.shield(process.ended), probes.beginning(output)
            finally:
                process.kill(signal.SIGKILL)
        except StartError as error:
            raise probes.Failed(str(error)) from None
        finally:
            os.close(output)

    async def _run_once(self) -> int:
        try:
            self._running = await self._starter.start(self._wait)
        except StartError as error:
            self.pod.events.warn("Failed", f"Error: {error}", self.told.name)
            self._ended(128, status.now(), "StartError", str(error))
            return 128
        started = status.now()
        self.told.state = {"running": {"startedAt": started}}
        self.pod.changed()
        watching = asyncio.create_task(self._watch())
        try:
            code = await asyncio.shield(self._running.process.ended)
        finally:
            watching.cancel()
        self._running = None
        self._ended(code, started, "Error" if code else "Completed", self._last_words(code))
        return code

    async def _watch(self) -> None:
        if post_start := self.spec.get("lifecycle", {}).get("postStart"):
            try:
                await self._ask(probes.handler(post_start)).ask(None)
            except probes.Failed as failure:
                self.pod.events.warn("FailedPostStartHook", f"PostStartHook failed: {failure}", self.told.name)
                self._restart("failed postStart hook")
                return
        outcome = probes.Outcome(self._started, self._ready, self._unhealthy, self._restart)
        await probes.watch(self.spec, self._ask, outcome)

    async def _back_off(self, delay: float) -> None:
        self.told.last_state = self.told.state
        if not delay:
            return
        name = f"{self.told.name} pod={self.pod.name}_{self.pod.namespace}({self.pod.uid})"
        self.told.state = status.waiting("CrashLoopBackOff", f"back-off {delay:g}s restarting failed container={name}")
        self.pod.changed()
        self.pod.events.warn("BackOff", f"Back-off restarting failed container {name}", self.told.name)
        await asyncio.sleep(delay)

    async def _pre_stop(self, deadline: float) -> None:
        hook = self.spec.get("lifecycle", {}).get("preStop")
        if not hook:
            return
        seconds = max(0.0, deadline - time.monotonic())
        if "sleep" in hook:
            await asyncio.sleep(min(seconds, hook["sleep"]["seconds"]))
            return
        try:
            await self._ask(probes.handler(hook)).ask(seconds)
        except probes.Failed as failure:
            self.pod.events.warn("FailedPreStopHook", f"PreStopHook failed: {failure}", self.told.name)

    async def _terminate(self, process: Process, deadline: float) -> None:
        process.kill(signal.SIGTERM)
        await asyncio.wait([process.ended], timeout=max(_SHORTEST_GRACE, deadline - time.monotonic()))
        process.kill(signal.SIGKILL)
        await asyncio.shield(process.ended)

    def _restarts(self, code: int) -> bool:
        policy = self.pod.object["spec"].get("restartPolicy", "Always")
        if self.told.role == status.SIDECAR:
            return True
        if self.told.role == status.INIT:
            return code != 0 and policy != "Never"
        return bool(policy == "Always" or (policy == "OnFailure" and code != 0))

    def _take_over(self, known: Object) -> None:
        self.told.restarts, self.told.last_state = known["restartCount"], known.get("lastState", {})
        if running := known["state"].get("running"):
            lost = status.terminated(137, "ContainerStatusUnknown", "the pod runner ended", running["startedAt"])
            self.told.restarts, self.told.last_state = known["restartCount"] + 1, lost

    def _ended(self, code: int, started: str, reason: str, message: str) -> None:
        self.told.state = status.terminated(code, reason, message, started)
        self.told.ready = self.told.started = False
        self.pod.changed()

    def _last_words(self, code: int) -> str:
        with self._starter.message.open("rb") as file:
            words = file.read(_MESSAGE_BYTES).decode(errors="replace")
        if not words and code and self.spec.get("terminationMessagePolicy") == "FallbackToLogsOnError":
            return self.log.message()
        return words

    def _wait(self, reason: str, message: str) -> None:
        self.told.state = status.waiting(reason, message)
        self.pod.events.warn("Failed", f"Error: {reason}: {message}", self.told.name)
        self.pod.changed()

    def _ask(self, handler: Object) -> probes.Check:
        ports = {port["name"]: port["containerPort"] for port in self.spec.get("ports", []) if "name" in port}
        return probes.Check(handler, self.pod.address, ports, self.execute)

    def _started(self) -> None:
        self.told.started = True
        self.may_follow.set()
        self.pod.changed()

    def _ready(self, ready: bool) -> None:
        self.told.ready = ready
        self.pod.changed()

    def _unhealthy(self, kind: str, words: str) -> None:
        self.pod.events.warn("Unhealthy", f"{kind} probe failed: {words}", self.told.name)

    def _restart(self, why: str) -> None:
        if self._running and not self._stopping:
            self.pod.events.warn("Killing", f"Container {self.told.name} {why}, will be restarted", self.told.name)
            self.pod.spawn(self._kill_for_restart(self._running.process))

    async def _kill_for_restart(self, process: Process) -> None:
        probe = self.spec.get("livenessProbe", {})
        grace = self.pod.object["spec"].get("terminationGracePeriodSeconds", 30)
        deadline = time.monotonic() + probe.get("terminationGracePeriodSeconds", grace)
        self._ready(False)
        await self._pre_stop(deadline)
        await self._terminate(process, deadline)


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
