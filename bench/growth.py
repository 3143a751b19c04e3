"""What one more stack costs beside N others: with simulated pods, with real ones, and behind one Gateway.

`make bench-growth`, not part of `make bench`. `ARGS="--part simulated --stacks 50"` measures one part up to that many
stacks and keeps its sandbox, so that the next run continues. Of several runs the fastest counts, because other work on
a shared machine slows the others.
"""

import argparse
import http.client
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml

from bench import page
from bench.stage import pulumi, stage
from sandbox.cluster import lifecycle
from sandbox.cluster.api import Api, connect, is_true
from sandbox.engine import Engine
from sandbox.home import CHECKOUT, Home
from sandbox.network.gateways import assigned_ports
from sandbox.progress import Progress
from tests.recorder import plain, run_program
from tests.sandbox.running import memory, processes

STEPS = {"simulated": (0, 1, 10, 50, 100, 200), "real": (0, 1, 5, 10, 15), "gateway": (15, 50, 200)}
"""Numbers of stacks at which each part measures; `gateway` adds routes and pools to the stacks of `real`."""
RATIOS = {"simulated": (200, 50), "real": (15, 5), "gateway": (200, 50)}
LIMIT = 1.2
"""Of what a stack costs beside 200 others to what it costs beside 50."""
SAMPLES = 5
IDLE_SECONDS = 20.0
FIRST = "stack-0"
"""Namespace in the objects of which those of all other stacks are made."""
RESULTS = CHECKOUT / ".sandbox" / "growth.json"
PROGRAMS = {
    "store": ("kube-apiserver", "etcd"),
    "picker": ("epp",),
    "sidecar": ("pd-sidecar",),
    "envoy": ("envoy",),
    "istiod": ("pilot-discovery",),
}
"""Beginnings of the names of programs, by the name of their sum."""
SHARED = {"name": "shared", "namespace": "gateways"}
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
"""Kinds of a stack's objects that the Gateway needs."""
Row = dict[str, float]
NOTES = {"simulated": "x", "real": "x", "gateway": "x"}
ROWS: dict[str, tuple[tuple[str, str, int, bool], ...]] = {
    "simulated": (
        ("`pulumi up` of one more stack, s", "up", 1, False),
        ("CPU of CLI, program and plugin, s", "up cpu", 2, False),
        ("CPU of API server and etcd, s", "up store", 2, False),
        ("preview without changes, s", "preview", 1, False),
        ("CPU of CLI, program and plugin, s", "preview cpu", 2, False),
        ("CPU of API server and etcd, s", "preview store", 2, False),
        ("state of one stack, KB", "state", 0, False),
        ("memory of API server and etcd per stack, MB", "store MB", 2, True),
        ("idle CPU of API server and etcd per stack, millicores", "store idle", 2, True),
    ),
    "real": (
        ("`pulumi up` of one more stack, s", "up", 1, False),
        ("memory of the EPP per stack, MB", "picker MB", 0, True),
        ("idle CPU of the EPP per stack, millicores", "picker idle", 0, True),
        ("memory of the routing sidecar per stack, MB", "sidecar MB", 0, True),
        ("memory of API server and etcd per stack, MB", "store MB", 1, True),
        ("idle CPU of API server and etcd per stack, millicores", "store idle", 1, True),
    ),
    "gateway": (
        ("new route and pool until they answer, ms", "served", 0, False),
        ("CPU of istiod for them, ms", "istiod cpu", 0, False),
        ("memory of Envoy, MB", "envoy MB", 0, False),
        ("memory of istiod, MB", "istiod MB", 0, False),
        ("request through the Gateway, p50, ms", "p50", 2, False),
        ("requests per second, 32 clients, one stack", "per second", 0, False),
    ),
}
"""Rows of the tables: title, key of the value, digits, and whether it is divided by the number of stacks."""


def main() -> int:
    """Measure and write the tables; return 1 if a stack beside 200 costs more than 1.2 of one beside 50."""
    parser = argparse.ArgumentParser(prog="python -m bench.growth")
    parser.add_argument("--part", choices=STEPS)
    parser.add_argument("--stacks", type=int, default=200)
    chosen = parser.parse_args()
    results: dict[str, dict[str, Row]] = json.loads(RESULTS.read_text()) if chosen.part and RESULTS.exists() else {}
    measures = {"simulated": _simulated, "real": _real, "gateway": _gateway}
    for sandbox, parts in {"simulated": ("simulated",), "real": ("real", "gateway")}.items():
        wanted = [part for part in parts if chosen.part in (None, part)]
        if not wanted:
            continue
        with _ground(sandbox, keep=bool(chosen.part)) as ground:
            for part in wanted:
                rows = results.setdefault(part, {})
                if not ground.count():
                    rows.clear()
                numbers = [number for number in STEPS[part] if str(number) not in rows and number <= chosen.stacks]
                for number, row in measures[part](ground, numbers):
                    ground.progress.say(f"{part}, {number} stacks: {row}")
                    rows[str(number)] = row
                    RESULTS.write_text(json.dumps(results))
    return _report(results)


@contextmanager
def _ground(sandbox: str, *, keep: bool) -> Iterator["Ground"]:
    progress = Progress()
    os.environ.pop(lifecycle.NO_NAMESPACES, None)
    if sandbox == "simulated":
        os.environ[lifecycle.NO_NAMESPACES] = "1"
    with ExitStack() as left:
        home, engine = left.enter_context(stage(progress, f"growth-{sandbox}", 60, keep=keep))
        api = left.enter_context(connect(home.host_kubeconfig))
        yield Ground(home, engine, api, progress)


class Ground:
    """A sandbox with stacks in the namespaces stack-0, stack-1, …"""

    def __init__(self, home: Home, engine: Engine, api: Api, progress: Progress) -> None:
        self.home, self.engine, self.api, self.progress = home, engine, api, progress
        self.isolated = lifecycle.isolated(home)
        file = yaml.safe_load((engine.cwd / "Pulumi.amd.yaml").read_text())
        one = {"replicas": 1, "tensorParallel": 1}
        serving = {**file["config"]["llm-d-pd:serving"], "namespace": FIRST, "prefill": one, "decode": one}
        if self.isolated:
            serving["gateway"] = {"existing": SHARED, "route": {"path": f"/{FIRST}"}}
        self.model = serving["model"]["name"]
        self._file = json.dumps({**file, "config": {**file["config"], "llm-d-pd:serving": serving}})
        objects = [plain(each) for each in run_program(serving, token="placeholder").objects.values()]
        self._objects = json.dumps(objects)
        roots = {
            each["apiVersion"]: f"/api{'s' * ('/' in each['apiVersion'])}/{each['apiVersion']}" for each in objects
        }
        self._kinds = {
            (version, kind["kind"]): (root, kind["name"], kind["namespaced"])
            for version, root in roots.items()
            for kind in api.get(root)["resources"]
            if "/" not in kind["name"]
        }

    def count(self) -> int:
        """Return the number of stacks."""
        listed = self.api.get("/api/v1/namespaces")["items"]
        return sum(each["metadata"]["name"].startswith("stack-") for each in listed)

    def path(self, one: Mapping[str, Any]) -> str:
        """Return the path of an object."""
        root, plural, namespaced = self._kinds[one["apiVersion"], one["kind"]]
        within = f"/namespaces/{one['metadata']['namespace']}" if namespaced else ""
        return f"{root}{within}/{plural}/{one['metadata']['name']}"

    def objects(self, number: int) -> list[dict[str, Any]]:
        """Return the objects of a stack, as the program declares them; the first is the namespace."""
        return list(json.loads(self._objects.replace(FIRST, f"stack-{number}")))

    def fill(self, number: int) -> None:
        """Apply the objects of further stacks without the engine; where pods run, only those for the Gateway."""

        def apply(stack: int) -> None:
            for each in self.objects(stack):
                if not self.isolated or each["kind"] in ROUTED:
                    self.api.apply(self.path(each), each)

        todo = range(self.count(), number)
        with self.progress.step(f"applying the objects of {len(todo)} stacks"), ThreadPoolExecutor(4) as together:
            list(together.map(apply, todo))
        with self.progress.step("waiting for their pods"):
            while any(not is_true(pod, "Ready") for pod in self.api.get("/api/v1/pods")["items"]):
                time.sleep(1)

    def up(self, samples: int) -> Row:
        """Deploy further stacks with `pulumi up`, one after another; return the least of each cost."""
        first = self.count()
        with self.progress.step(f"pulumi up of {samples} stacks", state=lambda: f"{self.count() - first} made"):
            rows = [self._up(f"stack-{number}") for number in range(first, first + samples)]
        return {key: min(row[key] for row in rows) for key in rows[0]}

    def _up(self, name: str) -> Row:
        (self.engine.cwd / f"Pulumi.{name}.yaml").write_text(self._file.replace(FIRST, name))
        pulumi(self.home, self.engine, "stack", "init", name, "--no-select")
        row: Row = {}
        for what, words in {"up": ("--yes", "--skip-preview"), "preview": ("--expect-no-changes",)}.items():
            own, store = _children(), self.use()["store cpu"]
            row[what] = pulumi(self.home, self.engine, what, *words, stack=name)
            row |= {f"{what} cpu": _children() - own, f"{what} store": self.use()["store cpu"] - store}
        [state] = (self.home.state / "backend" / ".pulumi" / "stacks").glob(f"*/{name}.json")
        return {**row, "state": state.stat().st_size / 1000}

    def use(self) -> Row:
        """Return CPU seconds so far and memory (PSS, MB) of each group of programs."""
        row = dict.fromkeys((f"{group} {what}" for group in PROGRAMS for what in ("cpu", "MB")), 0.0)
        for pid, command in processes(self.home).items():
            program = Path(command.split(" ")[0]).name
            for group, names in PROGRAMS.items():
                if program.startswith(names):
                    with suppress(OSError):  # it has ended meanwhile
                        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                        row[f"{group} cpu"] += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
                        row[f"{group} MB"] += memory({pid}) / 1e6
        return row

    def idle(self) -> Row:
        """Return memory (MB) and CPU (millicores) of each group while nothing changes."""
        with self.progress.step("watching idle processes", expected=2 * IDLE_SECONDS):
            time.sleep(IDLE_SECONDS)
            before = self.use()
            time.sleep(IDLE_SECONDS)
            after = self.use()
        cores = {f"{group} idle": (after[f"{group} cpu"] - before[f"{group} cpu"]) / IDLE_SECONDS for group in PROGRAMS}
        return after | {name: 1000 * value for name, value in cores.items()}

    def served(self) -> Row:
        """Return the milliseconds until a new route to a new pool answers, and istiod's CPU for them."""
        made = [each for each in self.objects(0) if each["kind"] in ("InferencePool", "HTTPRoute")]
        made = json.loads(json.dumps(made).replace(f"/{FIRST}", "/new").replace('"name": "gaie-pd"', '"name": "new"'))
        for each in made:
            each["metadata"]["name"] = "new"
        rows: list[Row] = []
        for _ in range(SAMPLES):
            cpu, begun = self.use()["istiod cpu"], time.monotonic()
            for each in made:
                self.api.apply(self.path(each), each)
            self._answers(200)
            rows.append({"served": 1000 * (time.monotonic() - begun)})
            time.sleep(1)
            rows[-1]["istiod cpu"] = 1000 * (self.use()["istiod cpu"] - cpu)
            for each in made:
                self.api.delete(self.path(each))
            self._answers(404)
        return {key: min(row[key] for row in rows) for key in rows[0]}

    def _answers(self, status: int) -> None:
        body = json.dumps({"model": self.model, "prompt": "hello", "max_tokens": 1})
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            port = assigned_ports(self.home.root)[SHARED["namespace"], SHARED["name"]]
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            with suppress(OSError, http.client.HTTPException):
                connection.request("POST", "/new/v1/completions", body, {"Content-Type": "application/json"})
                if connection.getresponse().status == status:
                    return
            time.sleep(0.01)
        sys.exit(f"the Gateway did not answer {status} within a minute")

    def asked(self) -> Row:
        """Return latency and rate of requests through the Gateway to the last stack that runs."""
        pods = self.api.get(f"/api/v1/namespaces/{SHARED['namespace']}/pods")["items"]
        target = {"name": "last", "host": pods[0]["status"]["podIP"], "port": 80, "headers": {}}
        target["path"] = f"/stack-{max(STEPS['real']) - 1}/v1/completions"
        plan = {"rounds": SAMPLES, "requests": 128, "clients": 32, "targets": [target], "model": self.model}
        client = [*lifecycle.enter(self.home), sys.executable, "-m", "bench.clients", json.dumps(plan)]
        with self.progress.step("asking"):
            times = json.loads(subprocess.run(client, cwd=CHECKOUT, check=True, stdout=subprocess.PIPE).stdout)
        return {"p50": times["sequential"]["last"]["p50"], "per second": times["concurrent"]["last"]["per_second"]}


def _children() -> float:
    """CPU seconds of this process's ended children."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _simulated(ground: Ground, numbers: Sequence[int]) -> Iterator[tuple[int, Row]]:
    for number in numbers:
        ground.fill(number)
        yield number, ground.idle() | (ground.up(SAMPLES) if number else {})


def _real(ground: Ground, numbers: Sequence[int]) -> Iterator[tuple[int, Row]]:
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SHARED["namespace"]}}
    for each in (namespace, GATEWAY):
        ground.api.apply(ground.path(each), each)
    for number in numbers:
        row = ground.up(number - ground.count()) if number else {}
        yield number, row | ground.idle()


def _gateway(ground: Ground, numbers: Sequence[int]) -> Iterator[tuple[int, Row]]:
    for number in numbers:
        ground.fill(number)
        yield number, ground.idle() | ground.served() | ground.asked()


def _report(results: Mapping[str, Mapping[str, Row]]) -> int:
    """Write the tables; return 1 if a cost beside 200 stacks is over its limit."""
    over = False
    for part, rows in results.items():
        zero = results.get("real" if part == "gateway" else part, {}).get("0", {})
        numbers = [number for number in STEPS[part] if number and str(number) in rows]
        high, low = RATIOS[part]
        table = [(f"stacks: {part}", *map(str, numbers), f"{high} / {low}")]
        for title, key, digits, shared in ROWS[part]:
            values = {n: (rows[str(n)][key] - zero[key]) / n if shared else rows[str(n)][key] for n in numbers}
            ratio = values[high] / values[low] if high in values and low in values else None
            over |= part == "simulated" and (ratio or 0) > LIMIT
            cells = (f"{value:.{digits}f}" for value in values.values())
            table.append((title, *cells, f"{ratio:.2f}" if ratio else "–"))
        page.write(f"growth {part}", table, NOTES[part])
    return int(over)


if __name__ == "__main__":
    sys.exit(main())
