"""A Pulumi command for faults: its processes, output and traces, and all objects of its stack."""

import json
import os
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from sandbox.cluster.api import Api
from sandbox.engine import backend
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
def started(stack: Deployment, *words: str, within: Sequence[str] = ()) -> Iterator[Command]:
    """Run a command beside the test, behind the prefix `within`, and always end it."""
    line = [*within, "pulumi", *words, "--yes", "--skip-preview", "--color=never", "--stack", stack.stack]
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
    left += [f"lock {lock}" for lock in backend.stale_locks(stack.cluster.home, stack.stack)]
    return left + [f"pending operation {each}" for each in State.of(stack).pending]


_SERVERS = {
    "managedFields", "uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp", "status",
    "clusterIP", "clusterIPs", "kubernetes.io/service-account.uid", "deployment.kubernetes.io/revision",
}  # fmt: skip
_PASSING = {"Event", "Lease", "PodMetrics"}
_PLUGIN = "pulumi-kubernetes"


class Snapshot(NamedTuple):
    """The namespace's objects and the stack's other objects, field by field, without fields that the server adds."""

    declared: Counter[str]
    """Fields that Pulumi wrote."""
    derived: Counter[str]
    """Other fields, which controllers write a moment later; generated names are cut to their fixed part."""

    @property
    def everything(self) -> Counter[str]:
        return self.declared + self.derived


def objects(api: Api, namespace: str) -> Snapshot:
    found = Snapshot(Counter(), Counter())
    for path in _collections(api, namespace):
        for one in _listed(api, path):
            if namespace in json.dumps(one["metadata"]):
                writers = {each["manager"] for each in one["metadata"].get("managedFields") or []}
                found[_PLUGIN not in writers].update(_lines(one))
    return found


def differences(wanted: Counter[str], now: Counter[str]) -> list[str]:
    """Missing fields, and additional ones."""
    return [f"missing: {each}" for each in wanted - now] + [f"there: {each}" for each in now - wanted]


def _collections(api: Api, namespace: str) -> list[str]:
    versions = ["/api/v1"]
    versions += [f"/apis/{group['preferredVersion']['groupVersion']}" for group in api.get("/apis")["groups"]]
    found = []
    for root in versions:
        for kind in api.get(root)["resources"]:
            if "list" in kind["verbs"] and "/" not in kind["name"] and kind["kind"] not in _PASSING:
                within = f"/namespaces/{namespace}" if kind["namespaced"] else ""
                found.append(f"{root}{within}/{kind['name']}")
    return found


def _listed(api: Api, path: str) -> list[dict[str, Any]]:
    query = {} if "/namespaces/" in path else {"labelSelector": "app.kubernetes.io/part-of=llm-d-pd"}
    answer = api.get(path, **query)
    return [{"kind": answer["kind"].removesuffix("List"), **one} for one in answer["items"]]


def _lines(one: dict[str, Any]) -> list[str]:
    metadata = one["metadata"]
    if "generateName" in metadata or one["kind"] == "Endpoints":
        return [f"{one['kind']} {metadata.get('generateName', metadata['name'])}"]
    if one.get("type") == "kubernetes.io/service-account-token":
        one = {**one, "data": sorted(one["data"])}
    return [f"{one['kind']} {metadata['name']} {line}" for line in _fields(one)]


def _fields(value: Any, path: str = "") -> Iterator[str]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    if inner:
        for key, each in inner:
            if key not in _SERVERS:
                yield from _fields(each, f"{path}.{key}")
    else:
        yield f"{path} = {json.dumps(value)}"
