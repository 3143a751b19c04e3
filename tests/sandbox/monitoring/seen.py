"""A stack under load in its dashboards. `python -m tests.sandbox.monitoring.seen` draws them, with matplotlib."""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.cluster.api import Api
from sandbox.cluster.keeper import SIMULATOR
from tests.recorder import ROOT
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


ABSENT = "only a real vLLM exports this"
SCALED = {"s": "s", "bytes": "B", "Bps": "B/s"}
"""Units with prefixes such as milli, by Grafana's name."""
LEGENDS = 4
"""Most legend entries; further lines have none."""


def draw(dashboard: dict[str, Any], sight: Seen, file: Path) -> None:
    """Write a dashboard (Grafana's JSON) with the series found for each of its expressions."""
    import matplotlib as mpl  # noqa: PLC0415  (optional, as for other pictures)
    from matplotlib.figure import Figure  # noqa: PLC0415

    mpl.rcParams |= {"svg.hashsalt": "dashboards", "svg.fonttype": "none", "font.size": 8}
    rows: list[tuple[str, list[dict[str, Any]]]] = []
    for each in dashboard["panels"]:
        if each["type"] == "row":
            rows.append((each["title"], []))
        else:
            rows[-1][1].append(each)
    heights = [(len(panels) + 1) // 2 for _, panels in rows]
    figure = Figure(figsize=(10, 2.2 * sum(heights) + 0.5), layout="constrained")
    figure.suptitle(dashboard["title"], fontsize=13)
    parts = figure.subfigures(len(rows), 1, height_ratios=heights, squeeze=False)
    for part, height, (title, panels) in zip(parts.flat, heights, rows, strict=True):
        part.suptitle(title, fontsize=11, fontweight="bold")
        places = list(part.subplots(height, 2, squeeze=False).flat)
        for panel, axes in zip(panels, places, strict=False):
            _panel(panel, sight, axes)
        for axes in places[len(panels) :]:
            axes.set_axis_off()
    figure.savefig(file, metadata={"Date": None})


def _panel(panel: dict[str, Any], sight: Seen, axes: Any) -> None:
    from matplotlib.ticker import EngFormatter, PercentFormatter  # noqa: PLC0415

    unit = panel["fieldConfig"]["defaults"]["unit"]
    if unit in SCALED or unit == "percentunit":
        axes.yaxis.set_major_formatter(EngFormatter(SCALED[unit]) if unit in SCALED else PercentFormatter(1))
    axes.xaxis.set_major_formatter(EngFormatter("s"))
    axes.set_title(panel["title"])
    for target in panel["targets"]:
        for series in sight.found[target["expr"]]:
            points = [(at, float(value)) for at, value in series["values"] if value not in ("NaN", "+Inf", "-Inf")]
            if not points:
                continue
            legend = target["legendFormat"]
            for name, value in series["metric"].items():
                legend = legend.replace(f"{{{{{name}}}}}", value)
            named = legend if len(axes.lines) < LEGENDS else "_"
            axes.plot([at - sight.start for at, _ in points], [one for _, one in points], label=named, gid="series")
    axes.set(xlim=(0, sight.end - sight.start), ylim=(0, None), ylabel="per second" if unit == "cps" else "")
    if axes.lines:
        axes.legend(fontsize=6)
    else:
        axes.text(0.5, 0.5, ABSENT, ha="center", transform=axes.transAxes)


def main() -> int:
    PICTURES.mkdir(exist_ok=True)
    with paced_cluster() as cluster, paced_stack(cluster) as stack:
        stack.up()
        with seen(stack, DRAWN) as sight:
            for word, dashboard in sight.dashboards.items():
                draw(dashboard, sight, PICTURES / f"{word}-dashboard.svg")
                print(PICTURES / f"{word}-dashboard.svg")
    return 0


if __name__ == "__main__":
    sys.exit(main())
