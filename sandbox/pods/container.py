"""The life of one container: started, probed, restarted with a kubelet's delays, ended in order."""

import asyncio
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.cluster.api import ApiError, Object
from sandbox.errors import SandboxError
from sandbox.pods import checks, environment, filesystem, images, probes, status
from sandbox.pods.launcher import Process, StartError
from sandbox.pods.logs import Log
from sandbox.pods.runtime import BASE_ENVIRONMENT
from sandbox.pods.volumes import MountError

if TYPE_CHECKING:
    from sandbox.pods.pod import Pod

_FIRST_DELAY, _LONGEST_DELAY, _FORGIVEN_AFTER = 10.0, 300.0, 600.0
"""A kubelet's: the first restart is immediate, then 10 s, doubled each time; ten good minutes and it starts over."""
_CONFIG_RETRY = 1.0
_SHORTEST_GRACE = 2.0
"""What a container gets between SIGTERM and SIGKILL even if its hook took all the time, as kubelets do."""
_MESSAGE_BYTES = 4096


class Container:
    """One container of a pod. `told` is what the API is told of it."""

    def __init__(self, pod: "Pod", spec: Object, role: str, known: Object | None) -> None:
        self.pod, self.spec = pod, spec
        self.told = status.Container(spec["name"], spec["image"], role)
        self.log = Log(pod.logs / f"{spec['name']}.log")
        if known and ("running" in known["state"] or known.get("lastState")):  # it ran under a pod runner before us
            self.told.restarts = known["restartCount"] + ("running" in known["state"])
            since = known["state"].get("running", {}).get("startedAt", "")
            lost = status.terminated(137, "ContainerStatusUnknown", "the pod runner ended", since)
            self.told.last_state = lost if "running" in known["state"] else known["lastState"]
        self._folder: Path = pod.folder / "containers" / spec["name"]
        self._variables: dict[str, str] = {}
        self._process: Process | None = None
        self._restart_reason = ""
        self._stopping = False
        self.may_follow = asyncio.Event()
        """Set once what comes after this container may be started."""

    async def run(self) -> None:
        """Run it until it has ended for good; cancelled, it is killed."""
        delay, ran = 0.0, 0.0
        try:
            while not self._stopping:
                await self._back_off(delay)
                began = time.monotonic()
                code = await self._run_once()
                ran = time.monotonic() - began
                if self._stopping or not self._restarts(code):
                    return
                self.told.restarts += 1
                delay = (
                    0.0
                    if self.told.restarts == 1 or ran > _FORGIVEN_AFTER
                    else min(_LONGEST_DELAY, delay * 2 or _FIRST_DELAY)
                )
        finally:
            if self._process:
                self.kill()
                await asyncio.shield(self._process.ended)

    async def end(self, deadline: float, before: Sequence[asyncio.Task[None]]) -> None:
        """End it in order: hook, those that end before it, SIGTERM, SIGKILL. `deadline` is a monotonic clock's time."""
        self._stopping = True
        process = self._process
        if process is None:
            return
        await self._pre_stop(deadline)
        if before:
            await asyncio.wait(before, timeout=max(0, deadline - time.monotonic()))
        await self._terminate(process, max(_SHORTEST_GRACE, deadline - time.monotonic()))

    def kill(self) -> None:
        """End it at once."""
        if self._process:
            self._process.kill(signal.SIGKILL)

    async def execute(self, command: list[str]) -> tuple[int, str]:
        """Run a command inside; return its exit code and the beginning of what it printed."""
        output = os.memfd_create("output")
        try:
            if self._process is None:
                raise checks.Failed("the container isn't running")
            folder = self.spec.get("workingDir") or "/"
            inside = self.pod.runtime.launcher.inside(
                self._process, output, command=command, environment=self._variables, folder=folder
            )
            process = await inside
            try:
                code = await asyncio.shield(process.ended)
            finally:
                process.kill(signal.SIGKILL)
            return code, checks.output(output)
        except StartError as error:
            raise checks.Failed(str(error)) from None
        finally:
            os.close(output)

    async def _run_once(self) -> int:
        started = status.now()
        try:
            self._process = process = await self._start()
        except StartError as error:
            self._ended(128, started, str(error))
            self.pod.events.warn("Failed", f"Error: {error}", self.told.name)
            return 128
        self.told.state = {"running": {"startedAt": started}}
        self.pod.changed()
        watching = asyncio.create_task(self._watch())
        try:
            code = await asyncio.shield(process.ended)
        finally:
            watching.cancel()
        self._process = None
        self._ended(code, started, "")
        return code

    async def _watch(self) -> None:
        if post_start := self.spec.get("lifecycle", {}).get("postStart"):
            try:
                await self._ask(probes.handler(post_start)).ask(float("inf"))
            except checks.Failed as failure:
                self.pod.events.warn("FailedPostStartHook", f"PostStartHook failed: {failure}", self.told.name)
                self._restart("failed postStart hook")
                return
        await probes.watch(
            self.spec, self._ask, probes.Outcome(self._started, self._ready, self._unhealthy, self._restart)
        )

    async def _start(self) -> Process:
        """Wait until everything that the container needs is there, then start its program. Raises `StartError`."""
        runtime = self.pod.runtime
        try:
            program = images.program(self.spec["image"], runtime.tools)
        except images.UnknownImage as error:
            self._wait("ErrImagePull", str(error))
            self.pod.events.warn("Failed", f"Failed to pull image {self.spec['image']!r}: {error}", self.told.name)
            await asyncio.Event().wait()
        base = {"PATH": filesystem.search_path(program), "HOSTNAME": self.pod.hostname, **BASE_ENVIRONMENT}
        while True:
            try:
                self._variables = await asyncio.to_thread(
                    environment.environment, self.spec, self.pod.object, self.pod.lookup, base
                )
                binds = self.pod.volumes.binds(self.spec, self._variables)
                break
            except (environment.ConfigError, MountError, ApiError, SandboxError) as error:
                self._wait("CreateContainerConfigError", str(error))
                self.pod.events.warn("Failed", f"Error: {error}", self.told.name)
                await asyncio.sleep(_CONFIG_RETRY)
        (self._folder / "root").mkdir(parents=True, exist_ok=True)
        self._message.write_text("")
        self._message.chmod(0o666)
        path = self.spec.get("terminationMessagePath", "/dev/termination-log")
        root = filesystem.root(
            program,
            runtime.tools,
            [*binds, {"source": str(self._message), "target": path, "read_only": False}],
            folder=self._folder / "root",
            hostname=self.pod.hostname,
            address=self.pod.address,
            simulator=runtime.simulator,
            read_only=bool(self.spec.get("securityContext", {}).get("readOnlyRootFilesystem")),
        )
        output = self.log.begin()
        try:
            return await runtime.launcher.container(
                root,
                self.pod.network,
                output,
                hostname=self.pod.hostname,
                command=environment.words(self.spec, program.entrypoint, self._variables),
                environment=self._variables,
                folder=self.spec.get("workingDir") or "/",
            )
        finally:
            os.close(output)

    async def _back_off(self, delay: float) -> None:
        if delay:
            name = f"{self.told.name} pod={self.pod.name}_{self.pod.namespace}({self.pod.uid})"
            self._wait("CrashLoopBackOff", f"back-off {delay:g}s restarting failed container={name}")
            self.pod.events.warn("BackOff", f"Back-off restarting failed container {name}", self.told.name)
            await asyncio.sleep(delay)
        if self.told.last_state and "terminated" in self.told.state:
            self._wait("ContainerCreating", "")

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

    async def _terminate(self, process: Process, grace: float) -> None:
        process.kill(signal.SIGTERM)
        await asyncio.wait([process.ended], timeout=grace)
        process.kill(signal.SIGKILL)
        await asyncio.shield(process.ended)

    def _restarts(self, code: int) -> bool:
        if self.told.role == status.SIDECAR:
            return True
        policy = self.pod.object["spec"].get("restartPolicy", "Always")
        if self.told.role == status.INIT:
            return code != 0 and policy != "Never"
        return bool(policy == "Always" or (policy == "OnFailure" and code != 0))

    def _ended(self, code: int, started: str, failure: str) -> None:
        message = failure or self._last_words(code)
        reason = "StartError" if failure else "Error" if code else "Completed"
        self.told.state = status.terminated(code, reason, message, started)
        self.told.last_state = self.told.state if not self._stopping else self.told.last_state
        self.told.ready = self.told.started = False
        self.pod.changed()

    def _last_words(self, code: int) -> str:
        with self._message.open("rb") as file:
            words = file.read(_MESSAGE_BYTES).decode(errors="replace")
        if not words and code and self.spec.get("terminationMessagePolicy") == "FallbackToLogsOnError":
            return self.log.message()
        return words

    def _wait(self, reason: str, message: str) -> None:
        self.told.state = status.waiting(reason, message)
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
        if self._process and not self._stopping:
            self.pod.events.warn("Killing", f"Container {self.told.name} {why}, will be restarted", self.told.name)
            self.pod.spawn(self._kill_for_restart(self._process))

    async def _kill_for_restart(self, process: Process) -> None:
        probe = self.spec.get("livenessProbe", {})
        own = self.pod.object["spec"].get("terminationGracePeriodSeconds", 30)
        deadline = time.monotonic() + probe.get("terminationGracePeriodSeconds", own)
        self._ready(False)
        await self._pre_stop(deadline)
        await self._terminate(process, max(_SHORTEST_GRACE, deadline - time.monotonic()))

    @property
    def _message(self) -> Path:
        return self._folder / "termination-log"
