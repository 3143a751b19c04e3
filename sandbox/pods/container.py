"""The life of one container: started, probed, restarted with a kubelet's delays, ended in order."""

import asyncio
import os
import signal
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sandbox.cluster.api import Object
from sandbox.pods import checks, probes, status
from sandbox.pods.launcher import Process, StartError
from sandbox.pods.logs import Log
from sandbox.pods.starting import Started, Starter

if TYPE_CHECKING:
    from sandbox.pods.pod import Pod

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
            raise checks.Failed("the container isn't running")
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
                return await asyncio.shield(process.ended), checks.beginning(output)
            finally:
                process.kill(signal.SIGKILL)
        except StartError as error:
            raise checks.Failed(str(error)) from None
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
            except checks.Failed as failure:
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
        except checks.Failed as failure:
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

    def _ask(self, handler: Object) -> checks.Check:
        ports = {port["name"]: port["containerPort"] for port in self.spec.get("ports", []) if "name" in port}
        return checks.Check(handler, self.pod.address, ports, self.execute)

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
