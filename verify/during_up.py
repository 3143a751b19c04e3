"""The watch as part of the Pulumi program: explains on Pulumi's own screen what `up` waits for, and ends the wait.

An error of the program does not end a wait that runs (pulumi/pulumi, pkg/resource/deploy/deployment_executor.go). An
interrupt of the CLI does: it exits within a second, objects are in the state as created, and the next `up` goes on.
So the program sends the CLI that runs it the signal of Ctrl-C, once.
"""

import asyncio
import contextvars
import gc
import os
import signal
import subprocess
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pulumi

END, OFF = "end", "off"
PATIENCE = 5.0
"""Seconds before the first look: an `up` that waits for nothing has ended by then."""
_AWAITED = ("kubernetes:apps/v1:Deployment", "kubernetes:gateway.networking.k8s.io/v1:Gateway")
_CLI = "pulumi"
_GENERATIONS = 6
"""Ancestors that are looked at: the language host is the program's parent or, with the official one, its parent's."""


def start(namespace: str, context: str | None, waiting: str) -> None:
    """Explain what the resources wait for that the program declares from now on. Does nothing in a preview.

    `waiting`: `end` ends the wait for what cannot heal, `explain` does not, `off` says nothing.
    """
    if waiting == OFF or pulumi.runtime.is_dry_run():
        return
    during = _During(namespace, context, end=waiting == END)
    pulumi.runtime.register_stack_transformation(during.note)
    threading.Thread(target=contextvars.copy_context().run, args=(during.run,), daemon=True).start()


class _During:
    """The thread beside the program."""

    def __init__(self, namespace: str, context: str | None, *, end: bool) -> None:
        self._namespace, self._context, self._end = namespace, context, end
        self._began = time.monotonic()
        self.pending: set[str] = set()
        """Names of Deployments, and of the Gateway, that `up` waits for now. A Deployment that failed stays."""
        self.tasks: list[asyncio.Future[None]] = []
        """A task without a reference would be collected before its end."""

    def note(self, declared: pulumi.ResourceTransformationArgs) -> None:
        """Remember a resource that `up` waits for; change nothing of it."""
        if declared.type_ in _AWAITED:
            metadata: Any = declared.props["metadata"]
            name = str(metadata["name"])
            self.pending.add(name)
            self.tasks.append(asyncio.ensure_future(self._until(declared.resource, name)))

    async def _until(self, resource: Any, name: str) -> None:
        await asyncio.sleep(0)  # the resource is still being constructed
        with suppress(Exception):  # Pulumi reports the failure of a resource itself
            await resource.id.future()
            self.pending.discard(name)

    def run(self) -> None:
        """Look until nothing is awaited, the wait is ended, or the engine has gone."""
        time.sleep(PATIENCE)
        while not self.tasks:  # nothing is declared yet: a slow machine
            time.sleep(PATIENCE)
        if not self.pending:
            return
        gc.enable()  # the program disables it, because it lives for a second
        with suppress(Exception):  # whatever goes wrong here is no reason to fail
            self._follow()

    def _follow(self) -> None:
        from verify.cluster import Cluster  # noqa: PLC0415  (most runs need none of it)
        from verify.finding import Unreachable, VerifyError  # noqa: PLC0415
        from verify.watch import EVERY, Watch  # noqa: PLC0415

        cluster = Cluster.connect(self._context)
        watch = Watch(cluster, self._namespace, lambda: self.pending, self._started(cluster.now()))
        while self.pending:
            try:
                for shown in watch.look():
                    if shown.ends and self._end and (cli := running_cli()):
                        pulumi.log.error(f"{shown}\n\n{ENDED}")
                        os.kill(cli, signal.SIGINT)
                        return
                    pulumi.warn(str(shown))
            except (Unreachable, VerifyError):
                pass  # the API server may be back at the next look; the plugin reports that it is gone
            time.sleep(EVERY)

    def _started(self, now: float) -> str:
        """When the program began, by the cluster's clock."""
        began = now - (time.monotonic() - self._began)
        return datetime.fromtimestamp(began, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


ENDED = (
    "This does not heal, so the wait is ended as with Ctrl-C, once. Change what it says, and run `pulumi up` again: it "
    "goes on from here. `pulumi config set --path serving.waiting explain` waits all the same."
)


def running_cli() -> int | None:
    """Return the process of the Pulumi CLI that runs this program; None if no ancestor is one."""
    process = os.getpid()
    for _ in range(_GENERATIONS):
        process, name = _parent(process)
        if not process:
            return None
        if name == _CLI:
            return process
    return None


def _parent(process: int) -> tuple[int, str]:
    """Return the parent of a process and its name; 0 if there is none, or if the system does not say."""
    try:
        above = int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
        return above, Path(f"/proc/{above}/comm").read_text().strip()
    except (OSError, ValueError, IndexError):
        pass
    try:  # no /proc: macOS
        above = int(_ps(process, "ppid"))
        return above, Path(_ps(above, "comm")).name
    except (OSError, ValueError, subprocess.SubprocessError):
        return 0, ""


def _ps(process: int, what: str) -> str:
    asked = ["ps", "-o", f"{what}=", "-p", str(process)]
    return subprocess.run(asked, capture_output=True, text=True, check=True, timeout=5).stdout.strip()
