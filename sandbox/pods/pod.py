"""The lifecycle of a pod and its containers: volumes and network, start, probes, restarts, status, end."""

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
from sandbox.pods import logs, nodes, probes, status
from sandbox.pods.logs import Log
from sandbox.pods.nodes import Node
from sandbox.pods.runtime import Process, Runtime, StartError, path_of
from sandbox.pods.starting import Started, Starter
from sandbox.pods.status import Events
from sandbox.pods.volumes import MountError, Volumes

_FIRST_DELAY, _LONGEST_DELAY, _FORGIVEN_AFTER = 10.0, 300.0, 600.0
"""A kubelet's delays: none before the first restart, then 10 s, doubled each time; reset after ten minutes of work."""
_SHORTEST_GRACE = 2.0
"""A kubelet's shortest time between SIGTERM and SIGKILL, even after a hook that took the whole grace period."""
_MESSAGE_BYTES = 4096


class Container:
    """One container of a pod. `status` is its status for the API, `known` the status that an earlier runner wrote."""

    def __init__(self, pod: "Pod", spec: Object, role: str, known: Object | None) -> None:
        self.pod, self.spec = pod, spec
        self.status = status.Container(spec["name"], spec["image"], role)
        if known:
            self._take_over(known)
        self.log = Log(pod.logs / f"{spec['name']}.log")
        self.may_follow = asyncio.Event()
        """Set when the next container may start."""
        self._starter = Starter(pod, spec, pod.folder / "containers" / spec["name"], self.log)
        self._running: Started | None = None
        self._stopping = False

    async def run(self) -> None:
        """Run the container until it has finally ended; a cancellation kills it."""
        delay = 0.0
        try:
            while True:
                began = time.monotonic()
                code = await self._run_once()
                ran = time.monotonic() - began
                if self._stopping or not self._restarts(code):
                    return
                if self.status.restarts:
                    delay = _FIRST_DELAY if not delay or ran > _FORGIVEN_AFTER else min(_LONGEST_DELAY, delay * 2)
                await self._back_off(delay)
                self.status.restarts += 1
        finally:
            if self._running:
                self.kill()
                await asyncio.shield(self._running.process.ended)

    async def end(self, deadline: float, before: Sequence[asyncio.Task[None]]) -> None:
        """End the container: hook, end of the containers before it, SIGTERM, SIGKILL. `deadline` is monotonic time."""
        again, self._stopping = self._stopping, True
        if self._running is None:
            return
        process = self._running.process
        if again:  # the pod is deleted while the main containers end anyway: one SIGTERM is enough
            await asyncio.shield(process.ended)
            return
        await self._pre_stop(deadline)
        if before:
            await asyncio.wait(before, timeout=max(0, deadline - time.monotonic()))
        await self._terminate(process, deadline)

    def kill(self) -> None:
        """Kill the container."""
        if self._running:
            self._running.process.kill(signal.SIGKILL)

    async def execute(self, command: list[str]) -> tuple[int, str]:
        """Run a command inside; return its exit code and the beginning of its output. Raises `probes.Failed`."""
        if self._running is None:
            raise probes.Failed("the container isn't running")
        output = os.memfd_create("output")
        try:
            program = self._running.program | {"command": command}
            process = await self.pod.runtime.launcher.inside(program, self._running.process, output)
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
            self.pod.events.warn("Failed", f"Error: {error}", self.status.name)
            self._ended(128, status.now(), "StartError", str(error))
            return 128
        started = status.now()
        self.status.state = {"running": {"startedAt": started}}
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
        outcome = probes.Outcome(self._started, self._ready, self._unhealthy, self._restart)
        await probes.watch(self.spec, self._ask, outcome)

    async def _back_off(self, delay: float) -> None:
        self.status.last_state = self.status.state
        if not delay:
            return
        name = f"{self.status.name} pod={self.pod.name}_{self.pod.namespace}({self.pod.uid})"
        why = f"back-off {delay:g}s restarting failed container={name}"
        self.status.state = status.waiting("CrashLoopBackOff", why)
        self.pod.changed()
        self.pod.events.warn("BackOff", f"Back-off restarting failed container {name}", self.status.name)
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
            self.pod.events.warn("FailedPreStopHook", f"PreStopHook failed: {failure}", self.status.name)

    async def _terminate(self, process: Process, deadline: float) -> None:
        process.kill(signal.SIGTERM)
        await asyncio.wait([process.ended], timeout=max(_SHORTEST_GRACE, deadline - time.monotonic()))
        process.kill(signal.SIGKILL)
        await asyncio.shield(process.ended)

    def _restarts(self, code: int) -> bool:
        policy = self.pod.object["spec"].get("restartPolicy", "Always")
        if self.status.role == status.SIDECAR:
            return True
        if self.status.role == status.INIT:
            return code != 0 and policy != "Never"
        return bool(policy == "Always" or (policy == "OnFailure" and code != 0))

    def _take_over(self, known: Object) -> None:
        self.status.restarts, self.status.last_state = known["restartCount"], known.get("lastState", {})
        if running := known["state"].get("running"):
            lost = status.terminated(137, "ContainerStatusUnknown", "the pod runner ended", running["startedAt"])
            self.status.restarts, self.status.last_state = known["restartCount"] + 1, lost

    def _ended(self, code: int, started: str, reason: str, message: str) -> None:
        self.status.state = status.terminated(code, reason, message, started)
        self.status.ready = self.status.started = False
        self.pod.changed()

    def _last_words(self, code: int) -> str:
        with self._starter.message.open("rb") as file:
            words = file.read(_MESSAGE_BYTES).decode(errors="replace")
        if not words and code and self.spec.get("terminationMessagePolicy") == "FallbackToLogsOnError":
            return self.log.message()
        return words

    def _wait(self, reason: str, message: str) -> None:
        self.status.state = status.waiting(reason, message)
        self.pod.events.warn("Failed", f"Error: {reason}: {message}", self.status.name)
        self.pod.changed()

    def _ask(self, handler: Object) -> probes.Check:
        ports = {port["name"]: port["containerPort"] for port in self.spec.get("ports", []) if "name" in port}
        return probes.Check(handler, self.pod.address, ports, self.execute)

    def _started(self) -> None:
        self.status.started = True
        self.may_follow.set()
        self.pod.changed()

    def _ready(self, ready: bool) -> None:
        self.status.ready = ready
        self.pod.changed()

    def _unhealthy(self, kind: str, words: str) -> None:
        self.pod.events.warn("Unhealthy", f"{kind} probe failed: {words}", self.status.name)

    def _restart(self, why: str) -> None:
        if self._running and not self._stopping:
            self.pod.events.warn("Killing", f"Container {self.status.name} {why}, will be restarted", self.status.name)
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
"""Safe sysctls that a stack's pods use (kubernetes/kubernetes v1.34 pkg/kubelet/sysctl/safe_sysctls.go)."""
_RENEWAL = 60.0
"""Seconds between reads of ConfigMaps, Secrets and tokens: a kubelet's default."""


class Pod:
    """A pod on a node of the sandbox. With host network it has the node's address."""

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
        """Open network namespace, after the start."""
        self.containers = self._made()
        self._started = pod.get("status", {}).get("startTime") or status.now()
        self._conditions = {one["type"]: one for one in pod.get("status", {}).get("conditions", [])}
        self._changed, self._deleted, self._vanished = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._deadline = 0.0
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Run the pod until it has ended or vanished, then clean up."""
        try:
            orderly, vanished = self.spawn(self._run()), self.spawn(self._once(self._vanished))
            await asyncio.wait([orderly, vanished], return_when=asyncio.FIRST_COMPLETED)
            if orderly.done():
                orderly.result()
        finally:
            await self._clean_up()

    def update(self, pod: Object) -> None:
        """Take the object's present state."""
        addresses = {"hostIP": self.node.address, "hostIPs": [{"ip": self.node.address}]}
        addresses |= {"podIP": self.address, "podIPs": [{"ip": self.address}]}
        self.object: Object = pod | {"status": pod.get("status", {}) | addresses}
        self.volumes.pod = self.object

    def insist(self) -> None:
        """Write the status again if the node controller has taken Ready away, because the node's report was late."""
        conditions = self.object["status"].get("conditions") or []
        taken = any(one["type"] == "Ready" and one["status"] == "False" for one in conditions)
        if taken and self._conditions.get("Ready", {}).get("status") == "True":
            self.changed()

    def terminate(self, grace: float) -> None:
        """Start the termination; a second call may shorten it."""
        if not self._deleted.is_set():
            self._deadline = time.monotonic() + grace
            self._deleted.set()
        elif time.monotonic() + grace < self._deadline:
            asyncio.get_running_loop().call_later(grace, self._kill)

    def vanish(self) -> None:
        """Kill everything at once: the object or its node is gone."""
        self._vanished.set()

    def changed(self) -> None:
        """Let the status be written, because something changed."""
        self._changed.set()

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run a task that ends with the pod at the latest."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _made(self) -> list[Container]:
        spec, old = self.object["spec"], self.object["status"]
        known = {one["name"]: one for one in old.get("containerStatuses", []) + old.get("initContainerStatuses", [])}
        made = []
        for one in spec.get("initContainers", []):
            role = status.SIDECAR if one.get("restartPolicy") == "Always" else status.INIT
            made.append(Container(self, one, role, known.get(one["name"])))
        return made + [Container(self, one, status.MAIN, known.get(one["name"])) for one in spec["containers"]]

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
            if one.status.role == status.MAIN:
                continue
            running = self.spawn(one.run())
            if one.status.role == status.SIDECAR:
                await one.may_follow.wait()
                continue
            await running
            if not one.status.done:
                await self._end_those([status.SIDECAR])
                return
        mains = [one for one in self.containers if one.status.role == status.MAIN]
        for one in mains:
            one.status.state = status.waiting("ContainerCreating")
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
                    one.status.state = status.waiting("ContainerCreating", str(error))
                self.changed()
                await asyncio.sleep(_MOUNT_RETRY)

    async def _own_network(self) -> int:
        """Make the pod's network, with the sysctls that a kubelet allows by default."""
        asked = (self.object["spec"].get("securityContext") or {}).get("sysctls") or []
        refused = [one["name"] for one in asked if one["name"] not in _SAFE_SYSCTLS]
        if refused:
            self.events.warn("SysctlForbidden", f"forbidden sysctl: {', '.join(refused)} not allowlisted")
        allowed = {one["name"]: one["value"] for one in asked if one["name"] in _SAFE_SYSCTLS}
        return await asyncio.to_thread(nodes.make_network, self.address, allowed)

    async def _renew(self) -> None:
        """Read changed volumes again, and limit the logs."""
        while True:
            await asyncio.sleep(_RENEWAL)
            with contextlib.suppress(MountError, ApiError, SandboxError):  # the present files stay
                await asyncio.to_thread(self.volumes.prepare)
            for one in self.containers:
                await asyncio.to_thread(one.log.bound)

    async def _end_those(self, roles: list[str]) -> None:
        """End containers: the main ones together, then sidecars in reverse order; all hooks start at once."""
        grace = self.object["spec"].get("terminationGracePeriodSeconds", 30)
        deadline = self._deadline or time.monotonic() + grace
        ending: list[asyncio.Task[None]] = []
        wanted = [one for one in self.containers if one.status.role in roles]
        ending += [self.spawn(one.end(deadline, [])) for one in wanted if one.status.role != status.SIDECAR]
        for one in reversed([one for one in wanted if one.status.role == status.SIDECAR]):
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
        containers = [one.status for one in self.containers]
        new = status.whole(
            self.object, containers, self._conditions, host=self.node.address, address=address, started=self._started
        )
        self._conditions = self._conditions | {one["type"]: one for one in new["conditions"]}
        return await self.runtime.patch_status(self.object, new)

    async def _delete(self) -> None:
        with contextlib.suppress(ApiError, SandboxError):  # it is already deleted, or the sandbox ends
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
