"""Shows running pods, why others wait, and live: requests, and the picker's decisions.

For a waiting pod it prints the reason, the end of the log, and the setting to change.
"""

import json
import re
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from shutil import get_terminal_size
from typing import Any, TextIO

from sandbox.client import pods, route
from sandbox.client.pods import Pod
from sandbox.cluster import lifecycle
from sandbox.cluster.api import Api, ApiError, connect
from sandbox.cluster.description import GPU_RESOURCE
from sandbox.engine.backend import stack_outputs
from sandbox.home import Home
from sandbox.network.istio import Access
from sandbox.progress import Progress
from verify import metrics, watch
from verify.cluster import Cluster
from verify.waiting import Trouble

_HERE: tuple[tuple[str, str], ...] = (
    (r"no nodes available", "`make up` makes the simulated nodes: of serving.accelerator, or of CLUSTER=…"),
    (r"Insufficient \w+\.com/gpu", "here: make up NODES=…, or other nodes: make up CLUSTER=…"),
    (r"Insufficient (?!\w+\.com/gpu)[\w.-]+/", "here: nodes with other devices: make up CLUSTER=…"),
    (r"free ports|anti-affinity", "here: make up NODES=2"),
)
"""What the sandbox itself can change, by words of a message."""

_ENDED = ("Succeeded", "Failed")


@dataclass(frozen=True)
class Situation:
    """Nodes, pods and what is wrong with them at one moment."""

    nodes: list[dict[str, Any]]
    pods: list[Pod]
    waiting: list[str]

    @classmethod
    def now(cls, api: Api) -> "Situation":
        """Read the present situation from the API server."""
        reading, listed = Cluster(api.server), sorted(pods.listed(api), key=lambda pod: (pod.namespace, pod.name))
        sets = api.get("/apis/apps/v1/replicasets")["items"]
        namespaces = sorted({*(pod.namespace for pod in listed), *(one["metadata"]["namespace"] for one in sets)})
        troubles = [(place, one) for place in namespaces for one in watch.read(reading, place).troubles({})]
        return cls(api.get("/api/v1/nodes")["items"], listed, [shown(reading, place, one) for place, one in troubles])

    def lines(self) -> list[str]:
        """Return lines for the user: each node with its pods and GPUs, then what waits."""
        text = []
        for node in self.nodes:
            name = node["metadata"]["name"]
            here = [pod for pod in self.pods if pod.node == name and pod.state not in _ENDED]
            for resource in GPU_RESOURCE.values():
                if resource in node["status"]["allocatable"]:
                    total = int(node["status"]["allocatable"][resource])
                    used = sum(pod.gpus for pod in here)
                    text.append(f"{name}  {used} of {total} {resource} in use, {total - used} free")
            text += [f"    {_name(pod.object)}  {pod.state}{_gpu_text(pod)}" for pod in here]
        return [*text, *(["waiting"] if self.waiting else []), *(f"  {one}" for one in self.waiting)]


def _name(one: dict[str, Any]) -> str:
    return f"{one['metadata']['namespace']}/{one['metadata']['name']}"


def shown(source: watch.Source, namespace: str, trouble: Trouble) -> str:
    """Return why pods wait, the end of the log, and the setting, with what the sandbox itself can change."""
    lines = "".join(f"\n      | {line}" for line in watch.last_lines(source, namespace, trouble))
    here = "".join(f"; {remedy}" for pattern, remedy in _HERE if re.search(pattern, trouble.what))
    return f"{namespace}: {trouble.text}{lines}\n    → {trouble.change}{here}"


def _gpu_text(pod: Pod) -> str:
    return f", {pod.gpus} GPU{'s' if pod.gpus > 1 else ''}" if pod.gpus else ""


def show(home: Home, report: Progress, *, outputs: bool = False) -> None:
    """Print the pods and GPUs of each node, what waits and why, and with `outputs` the stacks' outputs."""
    keeper = lifecycle.last_keeper(home.cluster)
    if keeper:
        report.say(
            f"\nSandbox {home.name!r}, API server https://127.0.0.1:{keeper.port} from outside ({home.host_kubeconfig})"
        )
    with connect(home.host_kubeconfig) as api:
        for line in Situation.now(api).lines():
            report.say(line)
    if outputs:
        for stack, values in stack_outputs(home).items():
            report.say(f"outputs of stack {stack}")
            for key, value in values.items():
                report.say(f"    {key}: {value if isinstance(value, str) else json.dumps(value)}")


_DECISIONS = 12
_HEADER = ("POD", "NODE", "STATE", "RESTARTS", "GPUS", "LEGS", "RUNNING", "WAITING", "KV CACHE")


def follow(home: Home, *, every: float = 1.0, out: TextIO | None = None) -> int:
    """Show the sandbox's state every `every` seconds until Ctrl-C: redrawn on a terminal, else only new lines."""
    out = out or sys.stdout
    screen: Screen | Journal = Screen(out) if out.isatty() else Journal(out)
    watcher = Watcher()
    with connect(home.host_kubeconfig) as api, ThreadPoolExecutor(8) as together:
        try:
            while True:
                start = time.monotonic()
                table, decisions = watcher.look(api, together)
                screen.show(f"Sandbox {home.name!r}", table, decisions)
                time.sleep(max(0.0, every - (time.monotonic() - start)))
        except KeyboardInterrupt:
            return 0


class Watcher:
    """Reads the cluster, and remembers the requests that it has already returned."""

    def __init__(self) -> None:
        self._returned: dict[tuple[str | None, datetime], None] = {}

    def look(self, api: Api, together: ThreadPoolExecutor) -> tuple[list[str], list[str]]:
        """Return the present table and the decisions since the last call."""
        listed = pods.listed(api)
        figures = together.map(lambda pod: _figures(api, pod), listed)
        served = together.map(lambda pod: list(route.recent(api, pod)), route.gateway_pods(listed))
        rows = [_row(pod, worker) for pod, worker in zip(listed, figures, strict=True)]
        seen = sorted((access for each in served for access in each), key=lambda access: access.start)
        new = [access for access in seen if (access.id, access.start) not in self._returned]
        self._returned = dict.fromkeys((access.id, access.start) for access in seen)
        return _aligned([_HEADER, *rows]), [decision(access, listed) for access in new]


class Screen:
    """Redraws a terminal."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._decisions: list[str] = []

    def show(self, title: str, table: Sequence[str], decisions: Sequence[str]) -> None:
        """Draw the table from the top, cut to the window."""
        self._decisions = [*self._decisions, *decisions][-_DECISIONS:]
        size = get_terminal_size()
        text = [f"{title}  {datetime.now():%H:%M:%S}  (Ctrl-C leaves)", *table, "", "DECISIONS", *self._decisions]
        cut = [line[: size.columns - 1] for line in text[: size.lines - 1]]
        self._out.write("\x1b[H" + "".join(f"{line}\x1b[K\n" for line in cut) + "\x1b[J")
        self._out.flush()


class Journal:
    """Writes new and changed lines to a file or a pipe."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._before: set[str] = set()

    def show(self, title: str, table: Sequence[str], decisions: Sequence[str]) -> None:
        """Append the lines that differ from the last call, with the time of day."""
        now = f"{datetime.now():%H:%M:%S}"
        changed = [line for line in table if line not in self._before]
        if not self._before:
            print(f"{now}  {title}", file=self._out)
        for line in [*changed, *decisions]:
            print(f"{now}  {line}", file=self._out)
        self._out.flush()
        self._before = set(table)


def decision(access: Access, listed: Sequence[Pod]) -> str:
    """Format one request: its status and times, and the workers that the picker chose."""
    chosen = [_called(pods.at(listed, address), address) for address in (access.prefill, access.decode) if address]
    return (
        f"{access.start:%H:%M:%S}.{access.start.microsecond // 1000:03d}  {access.status} {access.path}  "
        f"picked {route.milliseconds(access.picked_us)}, first byte {route.milliseconds(access.first_byte_us)}, "
        f"all {route.milliseconds(access.total_us)}  {' → '.join(chosen) or 'no worker chosen'}"
    )


def _called(pod: Pod | None, address: str) -> str:
    return f"{pod.role} {pod.name}" if pod else address


def _figures(api: Api, pod: Pod) -> metrics.Worker | None:
    """Read a worker's metrics; None for other pods, and without an answer."""
    port = pod.port("vllm")
    if port is None or pod.state != "Ready":
        return None
    try:
        return metrics.worker(api.text(f"{pod.path}:{port}/proxy/metrics"))
    except ApiError:
        return None


def _row(pod: Pod, worker: metrics.Worker | None) -> tuple[str, ...]:
    what = (pod.name, pod.node, pod.state, str(pod.restarts), str(pod.gpus or ""))
    if worker is None:
        return (*what, "", "", "", "")
    counts = (worker.finished, worker.running, worker.waiting)
    return (*what, *(f"{count:.0f}" for count in counts), f"{worker.cache_use:.1%}")


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
