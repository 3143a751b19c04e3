"""Shared parts of all pods: the launcher of their processes, the API server, the programs, the folders."""

import asyncio
import base64
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

from sandbox.cluster.api import Api, ApiError, Object
from sandbox.cluster.control_plane import ADDRESS, PORT
from sandbox.errors import SandboxError
from sandbox.home import CHECKOUT
from sandbox.pods.containers import Lookup, Rights, service_links
from sandbox.pods.launch import Root
from sandbox.pods.volumes import Tokens


class StartError(Exception):
    """The container's program could not be started; the text is the reason."""


class Program(TypedDict):
    """A program for a container; `folder` is its working directory."""

    command: Sequence[str]
    environment: Mapping[str, str]
    folder: str
    rights: Rights


class Process:
    """A process that the launcher started. `ended` becomes its exit code; 128 + the signal if a signal ended it."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.pid = 0
        self._doomed = False
        self.ended: asyncio.Future[int] = loop.create_future()
        self.running: asyncio.Future[None] = loop.create_future()

    def kill(self, number: signal.Signals) -> None:
        """Send a signal unless the process has ended. SIGKILL before the start kills the process after it."""
        if self.pid and not self.ended.done():
            with contextlib.suppress(ProcessLookupError):  # it has just ended, and the message has not arrived yet
                os.kill(self.pid, number)
        elif not self.pid and number == signal.SIGKILL:
            self._doomed = True

    def hear(self, message: Mapping[str, Any]) -> None:
        """Handle a message of the launcher."""
        if "pid" in message:
            self.pid = message["pid"]
            if self._doomed:
                self.kill(signal.SIGKILL)
        if "started" in message and not self.running.done():
            self.running.set_result(None)
        if "failed" in message and not self.running.done():
            self.running.set_exception(StartError(message["failed"]))
        if "ended" in message:
            if not self.running.done():
                self.running.set_exception(StartError("it ended before its program ran"))
            self.running.exception()  # marks the exception as read, because no task may wait for it
            self.ended.set_result(message["ended"])


class Launcher:
    """Starts processes through a small helper process. If that ends, it calls `gone`."""

    def __init__(self, gone: Callable[[], None]) -> None:
        self._control, launcher_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        code = f"import sys; sys.path.insert(0, {str(CHECKOUT)!r}); from sandbox.pods.launch import main; main()"
        with launcher_end:
            subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", code, str(launcher_end.fileno())],
                pass_fds=[launcher_end.fileno()],
                stdin=subprocess.DEVNULL,
            )
        self._control.setblocking(False)
        self._gone = gone
        self._number = 0
        self._processes: dict[int, Process] = {}
        asyncio.get_running_loop().add_reader(self._control, self._hear)

    async def container(self, program: Program, root: Root, hostname: str, network: int, output: int) -> Process:
        """Start a container's program as the first process of new namespaces. Raises `StartError`.

        `network` is an open network namespace, `output` receives stdout and stderr.
        """
        return await self._send({"root": root, "hostname": hostname, **program}, network, output)

    async def inside(self, program: Program, container: Process, output: int) -> Process:
        """Start a program inside a running container. Raises `StartError`."""
        return await self._send({"inside": container.pid, **program}, output)

    async def _send(self, order: dict[str, Any], *files: int) -> Process:
        self._number += 1
        process = self._processes[self._number] = Process()
        data = json.dumps({"id": self._number, **order}).encode()
        try:
            socket.send_fds(self._control, [data], files)
        except OSError as error:
            del self._processes[self._number]
            raise StartError(f"command line, environment or files are too large: {error.strerror}") from None
        try:
            await asyncio.shield(process.running)
        except asyncio.CancelledError:
            process.kill(signal.SIGKILL)
            raise
        return process

    def _hear(self) -> None:
        data = self._control.recv(65536)
        if not data:
            asyncio.get_running_loop().remove_reader(self._control)
            self._gone()
            return
        message = json.loads(data)
        process = self._processes[message["id"]]
        if "ended" in message:
            del self._processes[message["id"]]
        process.hear(message)


_API_SERVER: Object = {
    "metadata": {"name": "kubernetes"},
    "spec": {"clusterIP": ADDRESS, "ports": [{"name": "https", "port": PORT}]},
}
"""The API server's Service for the variables of every container. It has the API server's own address, which works
before the relays of Services."""


@dataclass
class Runtime:
    """`root` is the sandbox's folder, `volumes` a tmpfs of the runner's own; `tools` and `simulator` (arguments for
    every vLLM) are the plan's."""

    api: Api
    launcher: Launcher
    tokens: Tokens
    tools: Mapping[str, str]
    simulator: Sequence[str]
    root: Path
    volumes: Path
    claims: Path
    logs: Path

    def lookup(self, namespace: str) -> Lookup:
        """Return a function that reads ConfigMaps and Secrets of a namespace."""

        def read(kind: str, name: str) -> Object | None:
            found = self.api.find(f"/api/v1/namespaces/{namespace}/{kind}s/{name}")
            return _plain(found) if found and kind == "secret" else found

        return read

    def services(self, pod: Object) -> dict[str, str]:
        """Return the variables of Services for a container of this pod."""
        links = pod["spec"].get("enableServiceLinks", True)
        path = f"/api/v1/namespaces/{pod['metadata']['namespace']}/services"
        return service_links([*(self.api.get(path)["items"] if links else []), _API_SERVER])

    async def patch_status(self, pod: Object, status: Object) -> bool:
        """Write a pod's status; False if the pod is gone. Waits for an API server that is being restarted."""
        metadata = pod["metadata"]
        body = {"metadata": {"uid": metadata["uid"]}, "status": status}
        path = f"{path_of(pod)}/status"
        while True:
            try:
                await asyncio.to_thread(self.api.patch, path, body, "application/strategic-merge-patch+json")
            except ApiError as error:
                if error.code in (404, 409):
                    return False
                raise
            except SandboxError:
                await asyncio.sleep(0.5)
            else:
                return True


def path_of(pod: Object) -> str:
    """Return a pod's path in the API."""
    return f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"


def _plain(secret: Object) -> Object:
    """Return a Secret with decoded texts; other values stay encoded in a separate field."""
    text, binary = {}, {}
    for key, value in secret.get("data", {}).items():
        try:
            text[key] = base64.b64decode(value).decode()
        except UnicodeDecodeError:
            binary[key] = value
    return {"data": text, "binaryData": binary}
