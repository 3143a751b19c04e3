"""The process that holds a sandbox, and the processes that it keeps running: control plane, pod runner, network.

It is the first process of its namespaces, so all their processes end with it. It has one socket to its starter, the
lifeline. There it reports "ready", a refusal or a failure, and continues only after the answer "keep". If the starter
ends before, the keeper undoes its work.
"""

import asyncio
import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NoReturn

from sandbox.cluster import namespaces, relay
from sandbox.cluster.control_plane import ADDRESS, BRIDGE, ControlPlane
from sandbox.cluster.namespaces import die_with_parent
from sandbox.errors import SandboxError

_CHECKOUT = Path(__file__).resolve().parents[2]
_PAUSE_SECONDS = 1.0
"""Pause before an ended companion is started again."""
SIMULATOR = "SANDBOX_SIMULATOR"
"""Environment variable with arguments for all simulators, such as `--inter-token-latency=20ms`; read at the start."""


def write_plan(
    root: Path, kubeconfig: Path, tools: Mapping[str, Path], listening: Mapping[int, int], *, isolated: bool
) -> Path:
    """Write the plan of the companions of the sandbox in `root`; `listening`: inherited socket → host port."""
    plan = {
        "root": str(root),
        "kubeconfig": str(kubeconfig),
        "tools": {name: str(path) for name, path in tools.items()},
        "isolated": isolated,
        "listening": [{"fd": fd, "port": port} for fd, port in listening.items()],
        "simulator": os.environ.get(SIMULATOR, "").split(),
    }
    file = kubeconfig.with_name("companions.json")
    file.write_text(json.dumps(plan))
    return file


class Companions:
    """Pod runner and network. Without namespaces only the network runs, and only writes simulated statuses."""

    def __init__(self, plan: Path, logs: Path) -> None:
        self._plan, self._logs = plan, logs
        content = json.loads(plan.read_text())
        self._sockets = [one["fd"] for one in content["listening"]]
        self._names = ("pods", "network") if content["isolated"] else ("network",)
        self._running: dict[int, tuple[str, subprocess.Popen[bytes]]] = {}

    def start(self) -> None:
        """Start them all."""
        for name in self._names:
            self._start(name)

    def ended(self, pid: int) -> None:
        """Start an ended process again if it was a companion."""
        if pid in self._running:
            name, process = self._running.pop(pid)
            process.returncode = 0  # the keeper has already collected it
            asyncio.get_running_loop().call_later(_PAUSE_SECONDS, self._start, name)

    def _start(self, name: str) -> None:
        with (self._logs / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", f"sandbox.{name}", str(self._plan)],
                cwd=_CHECKOUT,
                pass_fds=self._sockets,
                preexec_fn=die_with_parent,  # noqa: PLW1509  (the keeper has one thread)
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._running[process.pid] = (name, process)


_PATIENCE = 180.0
"""Seconds that an API server may take to become ready."""


def main() -> None:
    """Isolate this process, start the control plane, report, and stay. The first argument is the plan as JSON."""
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):  # a background starter may ignore them
        signal.signal(number, signal.SIG_DFL)
    plan = json.loads(sys.argv[1])
    lifeline = socket.socket(fileno=plan["lifeline"])
    control_plane = ControlPlane(Path(plan["folder"]), plan["tools"], plan["isolated"])
    try:
        if plan["isolated"]:
            _isolate()
        else:
            namespaces.adopt_orphans()
    except (OSError, SandboxError) as refusal:
        _report(lifeline, refused=str(refusal))
        return
    _report(lifeline, started=True)  # with this message, the kernel gives the starter this process's number
    failure = _start(control_plane, lifeline)
    if failure is None:
        companions = Companions(Path(plan["companions"]), Path(plan["logs"]))
        asyncio.run(_stay(lifeline, plan["forwards"], control_plane, companions))
    else:
        _undo(control_plane)
        _report(lifeline, failed=failure)


def _isolate() -> None:
    """Move into new namespaces. Returns only in their first process."""
    unshare = namespaces.unshare if os.getuid() == 0 else namespaces.unshare_users
    unshare(namespaces.NEW_NETWORK | namespaces.NEW_MOUNTS | namespaces.NEW_PIDS)
    if os.fork():
        os._exit(0)
    namespaces.mount_proc()
    _build_network()


def _build_network() -> None:
    """Make the network of this new namespace. Raises `SandboxError` when `ip` is missing or fails."""
    commands = (
        "link set lo up",
        f"link add {BRIDGE} type bridge",
        f"addr add {ADDRESS}/16 dev {BRIDGE}",
        f"link set {BRIDGE} up",
        f"route add default dev {BRIDGE}",  # leads nowhere; the API server requires one
    )
    try:
        subprocess.run(["ip", "-batch", "-"], input="\n".join(commands), text=True, check=True, capture_output=True)
    except FileNotFoundError:
        raise SandboxError("the command `ip` (package iproute2) is not installed") from None
    except subprocess.CalledProcessError as error:
        raise SandboxError(f"`ip` could not make a private network: {error.stderr.strip()}") from None


def _start(control_plane: ControlPlane, lifeline: socket.socket) -> str | None:
    """Start every part; return why that failed, or None. Until then, the lifeline can only end."""
    parts = _Parts(control_plane, lifeline)
    failure = parts.start(control_plane.store(), control_plane.serves)
    return failure or parts.start(control_plane.controllers(), lambda: True)


class _Parts:
    """The processes of the control plane. They end with the keeper."""

    def __init__(self, control_plane: ControlPlane, lifeline: socket.socket) -> None:
        self._control_plane, self._lifeline = control_plane, lifeline
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        control_plane.logs.mkdir(exist_ok=True)

    def start(self, commands: Mapping[str, list[str]], ready: Callable[[], bool]) -> str | None:
        """Start these parts and wait until `ready`; return the reason if they are not, else None."""
        for name, command in commands.items():
            with self._log(name).open("ab") as log:
                self._running[name] = subprocess.Popen(
                    command,
                    env=self._control_plane.environment,
                    cwd=self._control_plane.folder,
                    preexec_fn=namespaces.die_with_parent,  # noqa: PLW1509  (the keeper has one thread)
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                )
        deadline = time.monotonic() + _PATIENCE
        while not ready():
            if select.select([self._lifeline], [], [], 0.05)[0]:
                return "interrupted"
            if ended := [name for name, process in self._running.items() if process.poll() is not None]:
                return f"{', '.join(ended)} ended at once:\n{self._complaint()}"
            if time.monotonic() > deadline:
                return f"the API server isn't ready after {_PATIENCE:.0f} s:\n{self._complaint()}"
        return None

    def _log(self, name: str) -> Path:
        return self._control_plane.logs / f"{name}.log"

    def _complaint(self) -> str:
        """Return the last lines of each part's log."""
        tails = [(name, self._log(name).read_text(errors="replace").strip()) for name in self._running]
        return "\n".join(f"{name}: {line[:300]}" for name, text in tails for line in text.splitlines()[-2:])


async def _stay(
    lifeline: socket.socket, forwards: list[dict[str, int]], control_plane: ControlPlane, companions: Companions
) -> None:
    loop = asyncio.get_running_loop()
    servers = [
        await relay.serve(socket.socket(fileno=one["fd"]), lambda port=one["port"]: ("127.0.0.1", port))  # type: ignore[misc]
        for one in forwards
    ]

    def leave() -> NoReturn:
        _undo(control_plane)
        os._exit(0)

    def answered() -> None:
        loop.remove_reader(lifeline)
        if lifeline.recv(16) != b"keep":
            leave()
        control_plane.finish()
        lifeline.close()

    loop.add_signal_handler(signal.SIGCHLD, _collect, companions)
    loop.add_signal_handler(signal.SIGTERM, leave)
    loop.add_reader(lifeline, answered)
    companions.start()
    _report(lifeline, ready=True)
    await asyncio.gather(*(server.serve_forever() for server in servers), asyncio.Event().wait())


def _collect(companions: Companions) -> None:
    """Collect ended processes. The keeper also inherits processes of ended parents."""
    with contextlib.suppress(ChildProcessError):
        while ended := os.waitpid(-1, os.WNOHANG)[0]:
            companions.ended(ended)


def _undo(control_plane: ControlPlane) -> None:
    """End every descendant, including those of ended parents; delete an incomplete control plane."""
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    with contextlib.suppress(ChildProcessError):
        while True:
            for child in children.read_text().split():
                os.kill(int(child), signal.SIGKILL)
            os.waitpid(-1, 0)
    control_plane.discard()


def _report(lifeline: socket.socket, **message: object) -> None:
    with contextlib.suppress(OSError):  # the starter has ended; the next read shows that
        lifeline.send(json.dumps(message).encode())
