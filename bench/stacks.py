"""Many small stacks in one sandbox, made with `pulumi up` or as bare objects, and what their programs use."""

import json
import resource
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from bench.stage import pulumi
from sandbox.cluster import lifecycle
from sandbox.cluster.api import Api, is_true
from sandbox.engine import Engine
from sandbox.home import Home
from sandbox.progress import Progress
from tests.recorder import plain, run_program
from tests.sandbox.running import processes

PROGRAMS = {
    "store": ("kube-apiserver", "etcd"),
    "picker": ("epp",),
    "sidecar": ("pd-sidecar",),
    "envoy": ("envoy",),
    "istiod": ("pilot-discovery",),
}
"""Beginnings of the names of programs, by the group for which CPU and memory are added up."""
IDLE_SECONDS = 20.0
FIRST = "stack-0"
"""Namespace of the first stack; in the objects of another stack, the name of that stack replaces it."""
SHARED = {"name": "shared", "namespace": "gateways"}
"""The one Gateway of all stacks in a sandbox where pods run. In other sandboxes each stack has its own Gateway."""
GATEWAY = {
    "apiVersion": "gateway.networking.k8s.io/v1",
    "kind": "Gateway",
    "metadata": SHARED,
    "spec": {
        "gatewayClassName": "istio",
        "listeners": [
            {"name": "models", "port": 80, "protocol": "HTTP", "allowedRoutes": {"namespaces": {"from": "All"}}}
        ],
    },
}
ROUTED = {"Namespace", "Service", "DestinationRule", "InferencePool", "HTTPRoute"}
"""Kinds of a stack's objects that the Gateway's controller reads."""
SLICES = {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice"}
Row = dict[str, float]
"""Measured values by their names."""


class Stacks:
    """Stacks with one prefill and one decode worker in the namespaces stack-0, stack-1, …"""

    def __init__(self, home: Home, engine: Engine, api: Api, progress: Progress) -> None:
        self.home, self.api, self.progress = home, api, progress
        self._engine, self._isolated = engine, lifecycle.isolated(home)
        file = yaml.safe_load((engine.cwd / "Pulumi.amd.yaml").read_text())
        one = {"replicas": 1, "tensorParallel": 1}
        serving = {**file["config"]["llm-d-pd:serving"], "namespace": FIRST, "prefill": one, "decode": one}
        if self._isolated:
            serving["gateway"] = {"existing": SHARED, "route": {"path": f"/{FIRST}"}}
        self.model: str = serving["model"]["name"]
        self._file = json.dumps({**file, "config": {**file["config"], "llm-d-pd:serving": serving}})
        objects = [plain(each) for each in run_program(serving, token="placeholder").objects.values()]
        self._objects = json.dumps(objects)
        versions = {each["apiVersion"] for each in [*objects, GATEWAY, SLICES]}
        roots = {version: f"/apis/{version}" if "/" in version else f"/api/{version}" for version in versions}
        self._kinds = {
            (version, kind["kind"]): (root, kind["name"], kind["namespaced"])
            for version, root in roots.items()
            for kind in api.get(root)["resources"]
            if "/" not in kind["name"]
        }
        if self._isolated:
            namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SHARED["namespace"]}}
            for each in (namespace, GATEWAY):
                self.apply(each)

    def count(self) -> int:
        """Return the number of stacks."""
        listed = self.api.get("/api/v1/namespaces")["items"]
        return sum(each["metadata"]["name"].startswith("stack-") for each in listed)

    def path(self, one: Mapping[str, Any]) -> str:
        """Return the path of an object."""
        root, plural, namespaced = self._kinds[one["apiVersion"], one["kind"]]
        within = f"/namespaces/{one['metadata']['namespace']}" if namespaced else ""
        return f"{root}{within}/{plural}/{one['metadata']['name']}"

    def apply(self, one: Mapping[str, Any]) -> None:
        """Make or change an object."""
        self.api.apply(self.path(one), one)

    def objects(self, number: int) -> list[dict[str, Any]]:
        """Return the objects of a stack, as the program declares them; the first is the namespace."""
        return list(json.loads(self._objects.replace(FIRST, f"stack-{number}")))

    def fill(self, number: int) -> None:
        """Apply the objects of further stacks without the engine; where pods run, only the kinds in `ROUTED`."""
        todo = range(self.count(), number)
        with self.progress.step(f"applying the objects of {len(todo)} stacks"), ThreadPoolExecutor(4) as together:
            list(together.map(self._fill, todo))
        with self.progress.step("waiting for their pods"):
            while not self._isolated and self._ready() < 3 * number:
                time.sleep(1)

    def _fill(self, number: int) -> None:
        for each in self.objects(number):
            if not self._isolated or each["kind"] in ROUTED:
                self.apply(each)
        if self._isolated:  # istio makes a Service for each pool: its endpoints are the workers of the first stack
            collection = f"/apis/{SLICES['apiVersion']}/namespaces/{FIRST}/endpointslices"
            [first] = self.api.get(collection, labelSelector="istio.io/inferencepool-name=gaie-pd")["items"]
            labels = {**first["metadata"]["labels"], "endpointslice.kubernetes.io/managed-by": "bench"}
            metadata = {"name": "workers", "namespace": f"stack-{number}", "labels": labels}
            endpoints = [{"addresses": each["addresses"]} for each in first["endpoints"]]
            self.apply({**first, **SLICES, "metadata": metadata, "endpoints": endpoints})

    def _ready(self) -> int:
        return sum(is_true(pod, "Ready") for pod in self.api.get("/api/v1/pods")["items"])

    def up(self, samples: int) -> Row:
        """Deploy further stacks with `pulumi up`, one after another; return the lowest value of each cost."""
        first = self.count()
        with self.progress.step("pulumi up of further stacks", state=lambda: f"{self.count() - first} begun"):
            rows = [self._up(f"stack-{number}") for number in range(first, first + samples)]
        return least(rows)

    def _up(self, name: str) -> Row:
        (self._engine.cwd / f"Pulumi.{name}.yaml").write_text(self._file.replace(FIRST, name))
        pulumi(self.home, self._engine, "stack", "select", name, "--create")
        row: Row = {}
        for what, words in {"up": ("--yes", "--skip-preview"), "preview": ("--expect-no-changes",)}.items():
            own, store = _children(), self.use()["store cpu"]
            row[what] = pulumi(self.home, self._engine, what, *words, stack=name)
            row[f"{what} store"] = self.use()["store cpu"] - store
            row[f"{what} cpu"] = _children() - own + row[f"{what} store"]
        [state] = (self.home.state / "backend" / ".pulumi" / "stacks").glob(f"*/{name}.json")
        return {**row, "state": state.stat().st_size / 1000}

    def heap(self) -> float:
        """Return the MB that the API server's heap holds after a garbage collection."""
        profile = self.api.text("/debug/pprof/heap", gc="1", debug="1")
        return int(profile.partition("# HeapAlloc = ")[2].split()[0]) / 1e6

    def use(self) -> Row:
        """Return CPU seconds so far and anonymous memory (MB) of each group of programs."""
        row = dict.fromkeys((f"{group} {what}" for group in PROGRAMS for what in ("cpu", "MB")), 0.0)
        for pid, command in processes(self.home).items():
            program = Path(command.split(" ")[0]).name
            for group, names in PROGRAMS.items():
                if program.startswith(names):
                    with suppress(OSError):  # the process has ended meanwhile
                        threads = Path(f"/proc/{pid}/task").glob("*/schedstat")
                        row[f"{group} cpu"] += sum(int(each.read_text().split()[0]) for each in threads) / 1e9
                        status = Path(f"/proc/{pid}/status").read_text()
                        row[f"{group} MB"] += int(status.partition("RssAnon:")[2].split()[0]) * 1024 / 1e6
        return row


def idle(sandboxes: Sequence[Stacks]) -> list[Row]:
    """Return memory (MB) and CPU (millicores) of each group in each sandbox while nothing changes."""
    with sandboxes[0].progress.step("watching idle programs", expected=2 * IDLE_SECONDS):
        time.sleep(IDLE_SECONDS)
        begun = [(time.monotonic(), stacks.use()) for stacks in sandboxes]
        time.sleep(IDLE_SECONDS)
        rows = []
        for (since, before), stacks in zip(begun, sandboxes, strict=True):
            after, seconds = stacks.use(), time.monotonic() - since
            cores = {group: (after[f"{group} cpu"] - before[f"{group} cpu"]) / seconds for group in PROGRAMS}
            rows.append(after | {f"{group} idle": 1000 * each for group, each in cores.items()})
        return rows


def least(rows: Sequence[Row]) -> Row:
    """Return the lowest value of each key."""
    return {key: min(row[key] for row in rows) for key in rows[0]}


def _children() -> float:
    """Return the CPU seconds of this process's ended children."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
