"""A Pulumi command for faults: its processes, its output so far, and its traces."""

import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox import healing
from tests.sandbox.running import soon
from tests.sandbox.stack.deployment import Deployment

PATIENCE = 240.0
"""Seconds for a step that takes a few seconds on an idle machine."""
_PLUGINS = (b"pulumi-resource-kubernetes", b"sandbox.engine.kubernetes.server")
"""Words in the command line of the official plugin, or of the stand-in."""


@dataclass(frozen=True)
class Command:
    stack: Deployment
    engine: "subprocess.Popen[str]"
    lines: list[str]
    reading: threading.Thread

    @property
    def said(self) -> str:
        """Output so far."""
        return "".join(self.lines)

    @property
    def plugin(self) -> int:
        """Process number of the Kubernetes plugin, the official one or the stand-in."""
        children = Path(f"/proc/{self.engine.pid}/task").glob("*/children")
        pids = [int(pid) for each in children for pid in each.read_text().split()]
        lines = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in pids}
        [found] = [pid for pid, words in lines.items() if any(name in words for name in _PLUGINS)]
        return found

    @property
    def over(self) -> bool:
        return self.engine.poll() is not None

    def interrupt(self) -> None:
        """Send Ctrl-C as a terminal does, to all processes in its foreground."""
        os.killpg(self.engine.pid, signal.SIGINT)

    def end(self) -> int:
        assert soon(lambda: self.over, PATIENCE), f"it goes on and on:\n{self.said}"
        self.reading.join(PATIENCE)
        return int(self.engine.returncode)


@contextmanager
def started(stack: Deployment, *words: str) -> Iterator[Command]:
    """Run a command beside the test, and always end it."""
    line = ["pulumi", *words, "--yes", "--skip-preview", "--color=never", "--stack", stack.stack]
    with subprocess.Popen(
        [*line, "--non-interactive"],
        cwd=stack.engine.cwd,
        env=stack.engine.env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as engine:
        assert engine.stdout
        lines = list[str]()
        reading = threading.Thread(target=lines.extend, args=(engine.stdout,))
        reading.start()
        try:
            yield Command(stack, engine, lines, reading)
        finally:
            engine.kill()
            reading.join(PATIENCE)


@dataclass(frozen=True)
class State:
    """The present state file of a stack, read only."""

    resources: dict[str, dict[str, Any]]
    """Resources by URN."""
    pending: list[tuple[str, str]]
    """Operation and name of unfinished operations."""

    @classmethod
    def of(cls, stack: Deployment) -> "State":
        """Read the state; empty without a file."""
        latest: dict[str, Any] = {}
        for file in (stack.cluster.home.state / "backend" / ".pulumi" / "stacks").glob(f"*/{stack.stack}.json"):
            with suppress(OSError, ValueError):  # the engine is writing it
                latest = json.loads(file.read_text())["checkpoint"].get("latest") or {}
        pending = [(each["type"], _name(each["resource"]["urn"])) for each in latest.get("pending_operations") or []]
        return cls({each["urn"]: each for each in latest.get("resources") or []}, pending)

    @property
    def names(self) -> set[str]:
        return {_name(urn) for urn in self.resources}


def _name(urn: str) -> str:
    return urn.rpartition("::")[2]


def processes(stack: Deployment) -> set[int]:
    """Every process of this sandbox's engine: engines, language hosts, plugins, programs."""
    variable = f"PULUMI_HOME={stack.engine.env['PULUMI_HOME']}".encode()
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if variable in (folder / "environ").read_bytes():
                found.add(int(folder.name))
    return found


def leftovers(stack: Deployment) -> list[str]:
    """Traces that an undisturbed command does not leave."""
    soon(lambda: not processes(stack), PATIENCE)
    left = [f"process {pid}" for pid in processes(stack)]
    left += [f"lock {lock}" for lock in healing.stale_locks(stack.cluster.home, stack.stack)]
    return left + [f"pending operation {each}" for each in State.of(stack).pending]
