"""Starts a container: waits for its needs, then runs its program in a new root file system."""

import asyncio
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from sandbox.cluster.api import ApiError, Object
from sandbox.errors import SandboxError
from sandbox.home import CHECKOUT
from sandbox.modelserver import choice
from sandbox.modelserver.choice import CACHE, Vllm
from sandbox.pods import containers, runtime
from sandbox.pods.containers import Lookup, Program
from sandbox.pods.launch import Bind, Root
from sandbox.pods.logs import Log
from sandbox.pods.runtime import Process, Runtime
from sandbox.pods.volumes import MountError, Volumes

_VLLM = "/opt/vllm"
_VENV, _MODEL, _CACHE = f"{_VLLM}/venv", f"{_VLLM}/model", f"{_VLLM}/cache"
_SYSTEM = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PYTHON = sys.base_prefix
"""Folder of the Python that whole images contain."""


def _search_path(program: Program) -> str:
    """Return the PATH that the image sets."""
    if not program.whole:
        return _SYSTEM
    own = f"{_VLLM}/bin" if program.vllm else str(Path(program.path).parent)
    return ":".join([own, f"{_PYTHON}/bin", _SYSTEM])


def _simulated(version: str, simulator: str, more: Sequence[str]) -> str:
    return _script("sandbox.modelserver.command_line", version, simulator=simulator, more=list(more))


def _real(version: str, real: Vllm) -> str:
    return _script(
        "sandbox.modelserver.real",
        version,
        python=f"{_VENV}/bin/python",
        model=_MODEL,
        cache=_CACHE,
        tensor_parallel=real.tensor_parallel,
    )


def _script(module: str, version: str, **arguments: object) -> str:
    given = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
    return (
        f"#!{Path(sys.executable).resolve()} -IS\n"
        f"import sys; sys.path.insert(0, {_VLLM + '/lib'!r}); from {module} import main\n"
        f"main(sys.argv[1:], version={version!r}, {given})\n"
    )


_RETRY = 1.0
"""Seconds between attempts while something is missing."""

Wait = Callable[[str, str], None]
"""Receives the reason and the message while a container waits."""


class Started(NamedTuple):
    """A running program, for commands beside it, too."""

    process: Process
    program: runtime.Program


class Surroundings(Protocol):
    """Parts that a container gets from its pod; `network` is the pod's open network namespace."""

    runtime: Runtime
    object: Object
    volumes: Volumes
    lookup: Lookup
    network: int
    hostname: str
    address: str


@dataclass(frozen=True)
class Starter:
    """Starts one container of a pod in its own `folder`."""

    pod: Surroundings
    spec: Object
    folder: Path
    log: Log

    @property
    def message(self) -> Path:
        """File at the container's terminationMessagePath."""
        return self.folder / "termination-log"

    async def start(self, wait: Wait) -> Started:
        """Start the container as soon as its needs are met. Raises `StartError`."""
        try:
            program = containers.program(self.spec["image"], self.pod.runtime.tools)
        except containers.UnknownImage as error:
            wait("ErrImagePull", str(error))
            await asyncio.Event().wait()  # the table of images is constant
        real = choice.read(self.pod.runtime.root) if program.vllm else None
        if real and program.vllm != choice.VERSION:
            wait("ErrImagePull", containers.not_real(self.spec["image"], program, choice.VERSION))
            await asyncio.Event().wait()  # a new choice of the model server replaces the pod
        while not real and program.tool and not Path(self.pod.runtime.tools[program.tool]).exists():
            wait("ErrImagePull", containers.not_built(self.spec["image"], program))
            await asyncio.sleep(_RETRY)
        try:
            granted = containers.rights(self.pod.object, self.spec, program.user)
        except containers.RefusedError as error:
            wait("CreateContainerConfigError", str(error))
            await asyncio.Event().wait()  # the container's specification is constant, too
        variables, binds = await self._configuration(program, granted["user"], wait)
        (self.folder / "root").mkdir(parents=True, exist_ok=True)
        self.message.write_text("")
        self.message.chmod(0o666)
        path = self.spec.get("terminationMessagePath", "/dev/termination-log")
        binds.append({"source": str(self.message), "target": path, "read_only": False})
        started: runtime.Program = {
            "command": containers.words(self.spec, program.entrypoint, variables),
            "environment": variables,
            "folder": self.spec.get("workingDir") or program.user.home or "/",
            "rights": granted,
        }
        output = self.log.begin()
        try:
            root = self._root(program, real, binds)
            launcher = self.pod.runtime.launcher
            process = await launcher.container(started, root, self.pod.hostname, self.pod.network, output)
        finally:
            os.close(output)
        return Started(process, started)

    def _root(self, program: Program, real: Vllm | None, binds: Sequence[Bind]) -> Root:
        """Return the root of a container that runs `program`; `real` is the real vLLM if it runs that."""
        tools, user = self.pod.runtime.tools, program.user
        own: list[Bind] = []
        if real:
            own += [
                {"source": real.venv, "target": _VENV, "read_only": True},
                {"source": real.model, "target": _MODEL, "read_only": True},
                {"source": str(self.pod.runtime.root / CACHE), "target": _CACHE, "read_only": False},
            ]
            base = str(Path(real.venv, "bin/python").resolve().parent.parent)
            if base != _PYTHON and not base.startswith("/usr"):
                own.append({"source": base, "target": base, "read_only": True})
        elif program.tool:
            own.append({"source": str(Path(tools[program.tool]).resolve()), "target": program.path, "read_only": True})
        for path, tool in program.files:
            own.append({"source": str(Path(tools[tool]).resolve()), "target": path, "read_only": True})
        executables = {}
        if program.whole and not _PYTHON.startswith("/usr"):
            own.append({"source": _PYTHON, "target": _PYTHON, "read_only": True})
        if program.vllm:
            own.append({"source": f"{CHECKOUT}/sandbox", "target": f"{_VLLM}/lib/sandbox", "read_only": True})
            more = self.pod.runtime.simulator
            script = _real(program.vllm, real) if real else _simulated(program.vllm, program.path, more)
            executables[f"{_VLLM}/bin/vllm"] = script
        named = f"image:x:{user.number}:{user.group}::{user.home or '/'}:/bin/sh\n" if user.number else ""
        files = {
            "/etc/hosts": f"127.0.0.1\tlocalhost\n::1\tlocalhost\n{self.pod.address}\t{self.pod.hostname}\n",
            "/etc/hostname": f"{self.pod.hostname}\n",
            "/etc/resolv.conf": containers.resolver(self.pod.object),
            "/etc/nsswitch.conf": "hosts: files dns\n",
            "/etc/passwd": f"root:x:0:0:root:/root:/bin/sh\n{named}",
            "/etc/group": "root:x:0:\n",
        }
        return {
            "folder": str(self.folder / "root"),
            "whole": program.whole,
            "files": files,
            "executables": executables,
            "home": {"path": user.home, "user": user.number, "group": user.group} if user.home else None,
            "binds": [*own, *binds],
            "read_only": bool(self.spec.get("securityContext", {}).get("readOnlyRootFilesystem")),
            "devices": real is not None,
        }

    async def _configuration(self, program: Program, user: int, wait: Wait) -> tuple[dict[str, str], list[Bind]]:
        # If the image sets none, container engines take it from the image's /etc/passwd.
        home = program.user.home or ("/" if user else "/root")
        base = {"PATH": _search_path(program), "HOSTNAME": self.pod.hostname, "HOME": home}
        pod, read = self.pod.object, containers.environment
        while True:
            try:
                services = await asyncio.to_thread(self.pod.runtime.services, pod)
                variables = await asyncio.to_thread(read, self.spec, pod, self.pod.lookup, {**services, **base})
                return variables, self.pod.volumes.binds(self.spec)
            except (containers.ConfigError, MountError, ApiError, SandboxError) as error:
                wait("CreateContainerConfigError", str(error))
                await asyncio.sleep(_RETRY)
