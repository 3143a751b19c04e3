"""What one more stack costs beside N others: with simulated pods, with real ones, and behind one Gateway.

`make bench-growth`, not part of `make bench`. `ARGS="--part real --stacks 5"` measures one part up to that many stacks.
The parts `real` and `gateway` then keep their sandbox, so that the next run continues. Of several runs the fastest
counts, because other work on a shared machine slows the others.
"""

import argparse
import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress

from bench import page
from bench.stacks import FIRST, SHARED, Row, Stacks, idle, least
from bench.stage import stage
from sandbox.cluster import lifecycle
from sandbox.cluster.api import connect
from sandbox.home import CHECKOUT, Home
from sandbox.network.gateways import assigned_ports
from sandbox.progress import Progress

STEPS = {"simulated": (1, 10, 50, 100, 200), "real": (0, 1, 5, 10, 15), "gateway": (15, 50, 200)}
"""Numbers of stacks at which each part measures; `gateway` adds routes and pools to the stacks of `real`."""
RATIOS = {"simulated": (200, 50), "real": (15, 5), "gateway": (200, 50)}
LIMIT = 1.2
"""Limit of the cost beside 200 stacks, as a multiple of that beside 50. The API server's share alone may be higher."""
SAMPLES = 5
NODES = 60
FEW = 5
"""Fewest stacks for values per stack: with fewer stacks the differences of an idle control plane are noise."""
NOTES = {
    "simulated": f"The least of {SAMPLES} stacks that `pulumi up` made; the objects of the others were applied as the "
    "program declares them.",
    "real": "`pulumi up` made all stacks: the least of those since the column before.",
    "gateway": f"Routes of 15 stacks that run, and of others without pods that run. The least of {SAMPLES} runs.",
}
ROWS: dict[str, tuple[tuple[str, str, int, bool], ...]] = {
    "simulated": (
        ("`pulumi up` of one more stack, s", "up", 1, False),
        ("its CPU, s", "up cpu", 2, False),
        ("of which API server and etcd, s", "up store", 2, False),
        ("preview without changes, s", "preview", 1, False),
        ("its CPU, s", "preview cpu", 2, False),
        ("of which API server and etcd, s", "preview store", 2, False),
        ("state of one stack, KB", "state", 0, False),
        ("API server, live heap per stack, MB", "heap", 2, True),
        ("API server and etcd, idle CPU per stack, millicores", "store idle", 2, True),
    ),
    "real": (
        ("`pulumi up` of one more stack, s", "up", 1, False),
        ("its CPU: API server and etcd, s", "up store", 2, False),
        ("EPP, memory per stack, MB", "picker MB", 0, True),
        ("EPP, idle CPU per stack, millicores", "picker idle", 1, True),
        ("routing sidecar, memory per stack, MB", "sidecar MB", 0, True),
    ),
    "gateway": (
        ("a new route and pool answer after, ms", "served", 0, False),
        ("their CPU: istiod, ms", "istiod cpu", 0, False),
        ("Envoy, memory, MB", "envoy MB", 0, False),
        ("istiod, memory, MB", "istiod MB", 0, False),
        ("request through the Gateway, p50, ms", "p50", 2, False),
        ("requests per second to one stack, 32 clients", "per second", 0, False),
    ),
}
"""Rows of the tables: title, name of the value, digits, and whether it is divided by the number of stacks."""


def main() -> int:
    """Measure and write the tables; return 1 if a stack with simulated pods costs more than `LIMIT` allows."""
    parser = argparse.ArgumentParser(prog="python -m bench.growth")
    parser.add_argument("--part", choices=STEPS)
    parser.add_argument("--stacks", type=int, default=200)
    chosen = parser.parse_args()
    over = False
    if chosen.part == "gateway" and not (Home.of(CHECKOUT, "growth-real").root / "real.json").exists():
        parser.error("the part gateway continues the part real: run --part real before")
    if chosen.part in (None, "simulated"):
        over = _report("simulated", _simulated([number for number in STEPS["simulated"] if number <= chosen.stacks]))
    measures = {"real": _real, "gateway": _gateway}
    wanted = [part for part in measures if chosen.part in (None, part)]
    if wanted:
        with _sandbox("growth-real", keep=bool(chosen.part)) as stacks:
            for part in wanted:
                file = stacks.home.root / f"{part}.json"
                rows: dict[str, Row] = json.loads(file.read_text()) if file.exists() else {}
                numbers = [number for number in STEPS[part] if str(number) not in rows and number <= chosen.stacks]
                for number, row in measures[part](stacks, numbers):
                    stacks.progress.say(f"{part}, {number} stacks: {row}")
                    rows[str(number)] = row
                    file.write_text(json.dumps(rows))
                _report(part, rows)
    return int(over)


@contextmanager
def _sandbox(name: str, *, keep: bool = False, pods: bool = True) -> Iterator[Stacks]:
    progress = Progress()
    os.environ.pop(lifecycle.NO_NAMESPACES, None)
    if not pods:
        os.environ[lifecycle.NO_NAMESPACES] = "1"
    with ExitStack() as left:
        home, engine = left.enter_context(stage(progress, name, NODES, keep=keep))
        yield Stacks(home, engine, left.enter_context(connect(home.host_kubeconfig)), progress)


def _simulated(numbers: Sequence[int]) -> dict[str, Row]:
    """Return the costs by number of stacks. Each number has a sandbox; measured stacks are deployed in turn."""
    with ExitStack() as left:
        sandboxes = [left.enter_context(_sandbox(f"growth-{number}", pods=False)) for number in numbers]
        empty = _at_rest(sandboxes)
        for number, stacks in zip(numbers, sandboxes, strict=True):
            stacks.fill(number)
        rows = _at_rest(sandboxes)
        for row, before in zip(rows, empty, strict=True):
            row |= {key: row[key] - before[key] for key in before}
        deployed = [[stacks.up(1) for stacks in sandboxes] for _ in range(SAMPLES)]
        return {
            str(number): row | least([each[place] for each in deployed])
            for place, (number, row) in enumerate(zip(numbers, rows, strict=True))
        }


def _at_rest(sandboxes: Sequence[Stacks]) -> list[Row]:
    return [{**row, "heap": stacks.heap()} for row, stacks in zip(idle(sandboxes), sandboxes, strict=True)]


def _real(stacks: Stacks, numbers: Sequence[int]) -> Iterator[tuple[int, Row]]:
    for number in numbers:
        row = stacks.up(number - stacks.count()) if number else {}
        yield number, row | idle([stacks])[0]


def _gateway(stacks: Stacks, numbers: Sequence[int]) -> Iterator[tuple[int, Row]]:
    for number in numbers:
        stacks.fill(number)
        yield number, idle([stacks])[0] | _served(stacks) | _asked(stacks)


def _served(stacks: Stacks) -> Row:
    """Return the milliseconds until a new route to a new pool answers, and istiod's CPU for route and pool."""
    made = [each for each in stacks.objects(0) if each["kind"] in ("InferencePool", "HTTPRoute")]
    made = json.loads(json.dumps(made).replace(f"/{FIRST}", "/new").replace('"name": "gaie-pd"', '"name": "new"'))
    for each in made:
        each["metadata"]["name"] = "new"
    rows: list[Row] = []
    for _ in range(SAMPLES):
        cpu, begun = stacks.use()["istiod cpu"], time.monotonic()
        for each in made:
            stacks.apply(each)
        _await(stacks, 200)
        row = {"served": 1000 * (time.monotonic() - begun)}
        time.sleep(1)
        rows.append({**row, "istiod cpu": 1000 * (stacks.use()["istiod cpu"] - cpu)})
        for each in made:
            stacks.api.delete(stacks.path(each))
        _await(stacks, 404)
    return least(rows)


def _await(stacks: Stacks, status: int) -> None:
    body = json.dumps({"model": stacks.model, "prompt": "hello", "max_tokens": 1})
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        port = assigned_ports(stacks.home.root)[SHARED["namespace"], SHARED["name"]]
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        with suppress(OSError, http.client.HTTPException):
            connection.request("POST", "/new/v1/completions", body, {"Content-Type": "application/json"})
            if connection.getresponse().status == status:
                return
        time.sleep(0.01)
    sys.exit(f"the Gateway did not answer {status} within a minute")


def _asked(stacks: Stacks) -> Row:
    """Return latency and rate of requests through the Gateway to the last stack that runs."""
    [pod] = stacks.api.get(f"/api/v1/namespaces/{SHARED['namespace']}/pods")["items"]
    path = f"/stack-{max(STEPS['real']) - 1}/v1/completions"
    target = {"name": "last", "host": pod["status"]["podIP"], "port": 80, "headers": {}, "path": path}
    plan = {"rounds": SAMPLES, "requests": 128, "clients": 32, "targets": [target], "model": stacks.model}
    client = [*lifecycle.enter(stacks.home), sys.executable, "-m", "bench.clients", json.dumps(plan)]
    with stacks.progress.step("asking"):
        times = json.loads(subprocess.run(client, cwd=CHECKOUT, check=True, stdout=subprocess.PIPE).stdout)
    return {"p50": times["sequential"]["last"]["p50"], "per second": times["concurrent"]["last"]["per_second"]}


def _report(part: str, rows: Mapping[str, Row]) -> bool:
    """Write the table of a part; return whether a cost beside 200 stacks with simulated pods is over its limit."""
    over = False
    numbers = [number for number in STEPS[part] if number and str(number) in rows]
    high, low = RATIOS[part]
    table = [("stacks", *map(str, numbers), f"{high} / {low}")]
    for title, key, digits, shared in ROWS[part]:
        counted = [number for number in numbers if not shared or number >= FEW]
        empty = rows.get("0", {}).get(key, 0.0) if shared else 0.0
        values = {number: (rows[str(number)][key] - empty) / (number if shared else 1) for number in counted}
        ratio = values[high] / values[low] if high in values and values.get(low) else 0
        over |= part == "simulated" and not key.endswith("store") and ratio > LIMIT
        cells = (f"{values[number]:.{digits}f}" if number in values else "" for number in numbers)
        table.append((title, *cells, f"{ratio:.2f}" if ratio else ""))
    page.write(f"growth {part}", table, NOTES[part])
    return over


if __name__ == "__main__":
    sys.exit(main())
