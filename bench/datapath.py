"""Latency that gateway, picker, sidecar and second leg add to a bare model server. `make bench-datapath`, one minute.

The simulators add no latency, so the path is measured. One run asks all targets in turn; the fastest round of each
counts.
"""

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from bench.stage import pulumi, stage
from sandbox.cluster import lifecycle
from sandbox.cluster.api import Api, connect
from sandbox.home import CHECKOUT
from sandbox.progress import Progress

LIMIT_MS = 2.5
"""Milliseconds that the whole path may add to a bare model server: p50, one request at a time."""
PLAN = {"rounds": 20, "requests": 128, "clients": 32}
PODS = "/api/v1/namespaces/llm-d-pd/pods"


def main() -> int:
    """Print the table; return 1 if the whole path is over its limit."""
    progress = Progress()
    with stage(progress) as (home, engine):
        with progress.step("pulumi up"):
            pulumi(home, engine, "up", "--yes", "--skip-preview")
        with connect(home.host_kubeconfig) as api:
            plan = {**PLAN, "targets": _targets(api), "model": "amd/Llama-3.3-70B-Instruct-FP8-KV"}
        with progress.step("asking"):
            client = [*lifecycle.enter(home), sys.executable, "-m", "bench.clients", json.dumps(plan)]
            times = json.loads(subprocess.run(client, cwd=CHECKOUT, check=True, stdout=subprocess.PIPE).stdout)
    print(_table(times))
    over = _over(times)
    print(f"\nwhole path over a bare model server: {over:.2f} ms (limit {LIMIT_MS})")
    return int(over > LIMIT_MS)


def _targets(api: Api) -> list[dict[str, Any]]:
    decode, prefill = _address(api, "llm-d.ai/role=decode"), _address(api, "llm-d.ai/role=prefill")
    gateway = _address(api, "gateway.networking.k8s.io/gateway-name=infra-pd-inference-gateway")
    chosen = {"x-prefiller-host-port": f"{prefill}:8000"}
    return [
        {"name": "bare model server", "host": decode, "port": 8200, "headers": {}},
        {"name": "sidecar, decode only", "host": decode, "port": 8000, "headers": {}},
        {"name": "sidecar, prefill and decode", "host": decode, "port": 8000, "headers": chosen},
        {"name": "whole path", "host": gateway, "port": 80, "headers": {}},
    ]


def _address(api: Api, selector: str) -> str:
    return str(api.get(PODS, labelSelector=selector)["items"][0]["status"]["podIP"])


def _over(times: Mapping[str, Mapping[str, Mapping[str, float]]]) -> float:
    return times["sequential"]["whole path"]["p50"] - times["sequential"]["bare model server"]["p50"]


def _table(times: Mapping[str, Mapping[str, Mapping[str, float]]]) -> str:
    lines = [
        f"| target | one client: p50 / p99 ms | ratio | {PLAN['clients']} clients: p50 / p99 ms, requests/s |",
        "|---|---|---|---|",
    ]
    bare = times["sequential"]["bare model server"]["p50"]
    for name, one in times["sequential"].items():
        many = times["concurrent"][name]
        lines.append(
            f"| {name} | {one['p50']:.2f} / {one['p99']:.2f} | {one['p50'] / bare:.1f} "
            f"| {many['p50']:.1f} / {many['p99']:.1f}, {many['per_second']:.0f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
