"""The process that holds a sandbox: first process of its namespaces, so that when it ends, everything does.

It talks to whoever starts it over one socket, the lifeline: it reports "ready", a refusal or a failure, and keeps going
only once it is told "keep". If the starter goes away before, the keeper undoes what it did.
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
from pathlib import Path
from typing import NoReturn

from sandbox.cluster import namespaces, network
from sandbox.cluster.companions import Companions
from sandbox.cluster.control_plane import ControlPlane
from sandbox.cluster.forwarder import Forward, serve
from sandbox.errors import SandboxError


def main() -> None:
    """Isolate, start the control plane, report, and stay. The plan is JSON in the first argument."""
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
    _report(lifeline, started=True)  # the starter learns this process's number from the kernel with this message
    failure = _start(control_plane, lifeline)
    if failure is None:
        forwards = [Forward(**forward) for forward in plan["forwards"]]
        companions = Companions(Path(plan["companions"]), Path(plan["logs"]))
        asyncio.run(_stay(lifeline, forwards, control_plane, companions))
    else:
        _undo(control_plane)
        _report(lifeline, failed=failure)


def _isolate() -> None:
    """Move into new namespaces; returns in their first process only."""
    user = 0 if os.getuid() == 0 else namespaces.NEW_USER
    namespaces.unshare(user | namespaces.NEW_NETWORK | namespaces.NEW_MOUNTS | namespaces.NEW_PIDS)
    if os.fork():
        os._exit(0)
    namespaces.mount_proc()
    network.build()


def _start(control_plane: ControlPlane, lifeline: socket.socket) -> str | None:
    """Run kwokctl to its end; return why it failed, or None. Nothing arrives on the lifeline yet but its end."""
    control_plane.prepare()
    log = control_plane.folder / "kwokctl.log"
    with log.open("wb") as output:
        kwokctl = subprocess.Popen(
            control_plane.command, env=control_plane.environment, stdout=output, stderr=output, stdin=subprocess.DEVNULL
        )
        code = None
        while code is None:
            if select.select([lifeline], [], [], 0.05)[0]:
                return "interrupted"
            if dead := control_plane.dead():
                return f"{', '.join(dead)} ended at once:\n{control_plane.complaint()}"
            code = kwokctl.poll()
    if code:
        last = "\n".join(log.read_text(errors="replace").strip().splitlines()[-5:])
        return f"kwokctl ended with exit code {code}:\n{last}\n{control_plane.complaint()}"
    return None


async def _stay(
    lifeline: socket.socket, forwards: list[Forward], control_plane: ControlPlane, companions: Companions
) -> None:
    loop = asyncio.get_running_loop()
    servers = await serve(forwards)

    def leave() -> NoReturn:
        _undo(control_plane)
        os._exit(0)

    def told() -> None:
        loop.remove_reader(lifeline)
        if lifeline.recv(16) != b"keep":
            leave()
        control_plane.finish()
        lifeline.close()

    loop.add_signal_handler(signal.SIGCHLD, _collect, companions)
    loop.add_signal_handler(signal.SIGTERM, leave)
    loop.add_reader(lifeline, told)
    companions.start()
    _report(lifeline, ready=True)
    await asyncio.gather(*(server.serve_forever() for server in servers), asyncio.Event().wait())


def _collect(companions: Companions) -> None:
    """Collect ended processes, also those whose parents went before them: we inherit them all."""
    with contextlib.suppress(ChildProcessError):
        while ended := os.waitpid(-1, os.WNOHANG)[0]:
            companions.ended(ended)


def _undo(control_plane: ControlPlane) -> None:
    """End every descendant, those that only a dead parent's end hands to us too; delete an unfinished cluster."""
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    with contextlib.suppress(ChildProcessError):
        while True:
            for child in children.read_text().split():
                os.kill(int(child), signal.SIGKILL)
            os.waitpid(-1, 0)
    control_plane.discard()


def _report(lifeline: socket.socket, **message: object) -> None:
    with contextlib.suppress(OSError):  # nobody listens any more: the caller finds out by reading
        lifeline.send(json.dumps(message).encode())
