"""A stack under load in its dashboards. `python -m tests.sandbox.monitoring.seen` draws the pictures."""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sandbox.cluster.api import Api
from sandbox.cluster.keeper import SIMULATOR
from tests.recorder import ROOT
from tests.sandbox.monitoring import charts
from tests.sandbox.monitoring.prometheus import Lines, Prometheus, watching
from tests.sandbox.running import Running, separate
from tests.sandbox.serving.traffic import Load, Traffic, traffic
from tests.sandbox.stack.deployment import Deployment, deployment, destroyed_afterwards

PICTURES = ROOT / "docs" / "dashboards"
PACE = "--time-to-first-token=60ms --time-to-first-token-std-dev=15ms --inter-token-latency=15ms"
"""Latencies of the simulators: not those of a GPU, but visible in charts."""
Phases = tuple[tuple[int, int], ...]
"""Clients and seconds."""
DRAWN: Phases = ((4, 25), (16, 25), (2, 15))
SHORT: Phases = ((4, 8), (16, 8), (2, 5))
NAMESPACE, TARGETS = "llm-d-pd", 6
"""Four prefill workers, one decode worker, the picker."""


@dataclass(frozen=True)
class Seen:
    """Data of Prometheus and the dashboards after the load."""

    prometheus: Prometheus
    api: Api
    dashboards: dict[str, dict[str, Any]]
    found: dict[str, Lines]
    """Series by expression."""
    start: float
    end: float

    def picture(self, word: str) -> str:
        return charts.draw(self.dashboards[word], self.found, self.start, self.end)


@contextmanager
def paced_cluster() -> Iterator[Running]:
    """A separate sandbox with slow simulators."""
    with separate("monitoring", variables={SIMULATOR: PACE}) as started:
        yield started


@contextmanager
def paced_stack(cluster: Running) -> Iterator[Deployment]:
    """The amd stack, scraped every second."""
    with destroyed_afterwards(deployment(cluster, "amd")) as stack:
        stack.configure(monitoring__workerInterval="1s", monitoring__pickerInterval="1s")
        yield stack


@contextmanager
def seen(stack: Deployment, phases: Phases) -> Iterator[Seen]:
    """Data of the deployed stack after a load that Prometheus scraped."""
    with traffic(stack) as gateway, watching(stack.cluster, gateway.api, NAMESPACE, TARGETS) as prometheus:
        start = time.time()
        for clients, seconds in phases:
            with Load(gateway.port, gateway.model, clients, 40).running():
                time.sleep(seconds)
            mistake(gateway)
        time.sleep(3)  # the last scrapes
        end = time.time()
        dashboards = {word: json.loads(text) for word, text in _deployed(gateway.api)}
        targets = [one for each in dashboards.values() for panel in each["panels"] for one in panel.get("targets", [])]
        found = prometheus.ranges([target["expr"] for target in targets], start, end)
        yield Seen(prometheus, gateway.api, dashboards, found, start, end)


def mistake(gateway: Traffic) -> None:
    """Send a request without a model, which the picker refuses and counts as an error."""
    assert gateway.ask("POST", "/v1/completions", {"prompt": "hi"}).status >= 400


def _deployed(api: Api) -> Iterator[tuple[str, str]]:
    """Return every dashboard in the namespace, as Grafana's sidecar finds it."""
    maps = api.get(f"/api/v1/namespaces/{NAMESPACE}/configmaps", labelSelector="grafana_dashboard=1")["items"]
    for each in maps:
        yield each["metadata"]["name"].rpartition("-")[2], *each["data"].values()


def main() -> int:
    PICTURES.mkdir(exist_ok=True)
    with paced_cluster() as cluster, paced_stack(cluster) as stack:
        stack.up()
        with seen(stack, DRAWN) as sight:
            for word in sight.dashboards:
                (PICTURES / f"{word}-dashboard.svg").write_text(sight.picture(word))
                print(PICTURES / f"{word}-dashboard.svg")
    return 0


if __name__ == "__main__":
    sys.exit(main())
