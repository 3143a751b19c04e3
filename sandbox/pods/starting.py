"""How a container is started: everything it needs is waited for, then its program runs in a root of its own."""

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.cluster.api import ApiError, Object
from sandbox.errors import SandboxError
from sandbox.modelserver import choice
from sandbox.pods import environment, filesystem, images, rights
from sandbox.pods.launcher import Process
from sandbox.pods.root import Bind
from sandbox.pods.volumes import MountError

if TYPE_CHECKING:
    from sandbox.pods.logs import Log
    from sandbox.pods.pod import Pod

_RETRY = 1.0
"""Seconds until what was missing is looked for again."""

Wait = Callable[[str, str], None]
"""Is told the reason and the words for which a container waits."""


@dataclass(frozen=True)
class Started:
    """A running program, and the environment and rights that commands beside it get too."""

    process: Process
    variables: dict[str, str]
    rights: rights.Rights


@dataclass(frozen=True)
class Starter:
    """Starts one container of a pod; `folder` is its own."""

    pod: "Pod"
    spec: Object
    folder: Path
    log: "Log"

    @property
    def message(self) -> Path:
        """The file that the container sees at its terminationMessagePath."""
        return self.folder / "termination-log"

    async def start(self, wait: Wait) -> Started:
        """Start it, however long it takes until that is possible. Raises `StartError`."""
        try:
            program = images.program(self.spec["image"], self.pod.runtime.tools)
        except images.UnknownImage as error:
            wait("ErrImagePull", str(error))
            await asyncio.Event().wait()  # the table doesn't change while we run
        real = choice.read(self.pod.runtime.root) if program.vllm else None
        if real and program.vllm != choice.VERSION:
            wait("ErrImagePull", images.not_real(self.spec["image"], program, choice.VERSION))
            await asyncio.Event().wait()  # another choice of the model server replaces the pod
        while not real and program.tool and not Path(self.pod.runtime.tools[program.tool]).exists():
            wait("ErrImagePull", images.not_built(self.spec["image"], program))
            await asyncio.sleep(_RETRY)
        try:
            granted = rights.rights(self.pod.object, self.spec, program.user)
        except rights.RefusedError as error:
            wait("CreateContainerConfigError", str(error))
            await asyncio.Event().wait()  # nor does the container's specification
        variables, binds = await self._configuration(program, granted["user"], wait)
        (self.folder / "root").mkdir(parents=True, exist_ok=True)
        self.message.write_text("")
        self.message.chmod(0o666)
        path = self.spec.get("terminationMessagePath", "/dev/termination-log")
        binds.append({"source": str(self.message), "target": path, "read_only": False})
        output = self.log.begin()
        try:
            process = await self.pod.runtime.launcher.container(
                filesystem.root(
                    program,
                    self.pod.runtime.tools,
                    binds,
                    folder=self.folder / "root",
                    hostname=self.pod.hostname,
                    address=self.pod.address,
                    resolver=environment.resolver(self.pod.object),
                    simulator=self.pod.runtime.simulator,
                    real=real,
                    sandbox=self.pod.runtime.root,
                    read_only=bool(self.spec.get("securityContext", {}).get("readOnlyRootFilesystem")),
                ),
                self.pod.network,
                output,
                hostname=self.pod.hostname,
                command=environment.words(self.spec, program.entrypoint, variables),
                environment=variables,
                folder=self.spec.get("workingDir") or program.user.home or "/",
                rights=granted,
            )
        finally:
            os.close(output)
        return Started(process, variables, granted)

    async def _configuration(self, program: images.Program, user: int, wait: Wait) -> tuple[dict[str, str], list[Bind]]:
        # Without one of the image, container engines take it from the image's /etc/passwd.
        home = program.user.home or ("/" if user else "/root")
        base = {"PATH": filesystem.search_path(program), "HOSTNAME": self.pod.hostname, "HOME": home}
        pod, read = self.pod.object, environment.environment
        while True:
            try:
                services = await asyncio.to_thread(self.pod.runtime.services, pod)
                variables = await asyncio.to_thread(read, self.spec, pod, self.pod.lookup, {**services, **base})
                return variables, self.pod.volumes.binds(self.spec, variables)
            except (environment.ConfigError, MountError, ApiError, SandboxError) as error:
                wait("CreateContainerConfigError", str(error))
                await asyncio.sleep(_RETRY)
