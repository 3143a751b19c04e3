"""What a preflight costs on a cluster of 1,000 nodes and 10,000 pods."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from sandbox.cluster.api import Api, connect
from sandbox.home import CHECKOUT
from tests.sandbox.running import Running, private_home, processes, start, throw_away

pytestmark = pytest.mark.thorough

NODES, PODS, GPU_NODES = 1000, 10_000, 100
MEGABYTES = 100.0
"""Memory that a preview may take more with a preflight than without."""
RUNS = 3

MEASURED = """
import json, re, time
from pathlib import Path
import preflight
from access import kubeconfig
from preflight.cluster import Cluster
from preflight.state import State
from tests.preflight.typed import plan

def megabytes():
    return int(re.search("VmHWM:[^0-9]*([0-9]+) kB", Path("/proc/self/status").read_text())[1]) / 1024

serving = plan(createNamespace=False)
cluster = Cluster.connect(kubeconfig.read())
preflight.identify(serving, cluster, State())
before, start, wall = megabytes(), time.process_time(), []
for _ in range(RUNS):
    began = time.perf_counter()
    report = preflight.run(serving, cluster)
    wall.append(time.perf_counter() - began)
checks = [each.check for each in report.findings]
cpu = (time.process_time() - start) / RUNS
print(json.dumps({"cpu": cpu, "wall": min(wall), "megabytes": megabytes() - before, "checks": checks}))
""".replace("RUNS", str(RUNS))


@pytest.fixture(scope="module")
def large() -> Iterator[Running]:
    home = private_home("large")
    try:
        cluster = start(home)
        with connect(cluster.host_kubeconfig) as api:
            _fill(api)
        yield cluster
    finally:
        throw_away(home)


def test_a_preflight_of_a_large_cluster_is_small(large: Running) -> None:
    """It prints its seconds and those of API server and etcd (`-s`), which depend on the machine."""
    before = _server_seconds(large)
    done = subprocess.run(
        [*large.enter, "env", f"KUBECONFIG={large.home.kubeconfig}", sys.executable, "-c", MEASURED],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert not done.returncode, done.stderr
    measured = json.loads(done.stdout)
    measured["server"] = (_server_seconds(large) - before) / RUNS
    print(measured)
    assert "capacity" not in measured["checks"]
    assert "API server" not in measured["checks"]
    assert measured["megabytes"] < MEGABYTES


def _server_seconds(cluster: Running) -> float:
    """CPU seconds of the API server and of etcd so far."""
    ticks = 0
    for pid, command in processes(cluster.home).items():
        if command.startswith(("kube-apiserver", "etcd")) or "/kube-apiserver " in command or "/etcd " in command:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    assert ticks
    return ticks / os.sysconf("SC_CLK_TCK")


def _fill(api: Api) -> None:
    """Make nodes and pods as large as those of a real cluster: 10 KB and 5 KB of JSON."""
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(lambda number: api.create("/api/v1/nodes", _node(number)), range(NODES)))
        list(threads.map(lambda number: api.create("/api/v1/namespaces/default/pods", _pod(number)), range(PODS)))


def _node(number: int) -> dict[str, Any]:
    devices = {"amd.com/gpu": "8", "rdma/ib": "1000"} if number < GPU_NODES else {}
    has = {"cpu": "256", "memory": "3Ti", "pods": "110", "ephemeral-storage": "28Ti", **devices}
    images = [
        {"names": [f"registry.example/team/image-{each}@sha256:{'0' * 64}"], "sizeBytes": 1} for each in range(50)
    ]
    conditions = [{"type": "Ready", "status": "True", "reason": "KubeletReady"}]
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": f"node-{number}", "labels": {f"example.com/label-{each}": "x" for each in range(20)}},
        "status": {"capacity": has, "allocatable": has, "conditions": conditions, "images": images},
    }


def _pod(number: int) -> dict[str, Any]:
    node = number % NODES
    gpus = {"amd.com/gpu": "4"} if number < GPU_NODES else {}
    resources = {"requests": {"cpu": "500m", "memory": "1Gi", **gpus}, "limits": gpus}
    containers = [
        {
            "name": name,
            "image": f"registry.example/team/{name}@sha256:{'0' * 64}",
            "env": [{"name": f"VARIABLE_{each}", "value": "a value of a usual length"} for each in range(20)],
            "resources": resources if name == "main" else {},
        }
        for name in ("main", "sidecar")
    ]
    labels = {"app": f"app-{number % 500}", "pod-template-hash": f"{number:x}"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"pod-{number}", "labels": labels},
        "spec": {"nodeName": f"node-{node}", "containers": containers},
    }
