"""This program compared with the guide's way: three Helm releases with the same objects, and a route, on one cluster.

Part of `make bench`, with Helm 3 on PATH. The charts hold the objects that this program declares, so that only the tool
differs. The guide installs its releases one after another and waits for each (helmfile `needs`, `--wait`).
"""

import json
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from bench import page
from bench.plot import bars
from bench.stage import pulumi, stage
from sandbox.cluster import api, lifecycle
from sandbox.engine import Engine
from sandbox.engine.stack_files import serving
from sandbox.home import Home
from sandbox.progress import Progress
from tests.recorder import plain, run_program

RUNS = 3
RELEASES = ("infra-pd", "gaie-pd", "ms-pd")
CHANGED = ("serving.routing.verbosity", 2)
"""The one field that is changed: an argument of the endpoint picker."""
NAMESPACE = "llm-d-pd"
WHAT = (
    "install",
    "nothing changed",
    "one field changed",
    "uninstall until the pods are gone",
    "uninstall until the namespace is gone",
)


def main() -> int:
    """Measure both in turn; write the section and the plot."""
    if not shutil.which("helm"):
        print("Helm is not on PATH: nothing is compared")
        return 0
    times: dict[str, dict[str, list[float]]] = {name: {what: [] for what in WHAT} for name in ("pulumi", "helm")}
    progress = Progress()
    with stage(progress) as (home, engine):
        helm = _Helm(home, engine)
        for number in range(1, 2 * RUNS + 1):
            name, run = (("pulumi", _pulumi), ("helm", helm.round))[number % 2]
            with progress.step(f"round {number} of {2 * RUNS}: {name}"):
                for what, seconds in zip(WHAT, run(home, engine), strict=True):
                    times[name][what].append(seconds)
    medians = {name: [statistics.median(of[what]) for what in WHAT] for name, of in times.items()}
    rows = [
        (what, f"{own:.1f} s", f"{other:.1f} s", f"{own / other:.2f}")
        for what, own, other in zip(WHAT, medians["pulumi"], medians["helm"], strict=True)
    ]
    version = subprocess.run(["helm", "version", "--short"], capture_output=True, text=True, check=True).stdout.strip()
    note = f"Medians of {RUNS} rounds, Helm {version.partition('+')[0]}."
    page.write("helm", [("the amd stack", "this program", "three Helm releases", "ratio"), *rows], note)
    bars(page.PAGE.parent / "helm.svg", WHAT, {"pulumi up": medians["pulumi"], "helm": medians["helm"]})
    return 0


def _pulumi(home: Home, engine: Engine) -> list[float]:
    up = ("up", "--yes", "--skip-preview")
    seconds = [pulumi(home, engine, *up), pulumi(home, engine, *up)]
    pulumi(home, engine, "config", "set", "--path", f"llm-d-pd:{CHANGED[0]}", str(CHANGED[1]))
    seconds.append(pulumi(home, engine, *up))
    pulumi(home, engine, "config", "rm", "--path", f"llm-d-pd:{CHANGED[0]}")
    with ThreadPoolExecutor(1) as beside:
        begun = time.monotonic()
        destroying = beside.submit(pulumi, home, engine, "destroy", "--yes", "--skip-preview")
        _await_no_pods(home, destroying.done)
        seconds.append(time.monotonic() - begun)
    return [*seconds, destroying.result()]


class _Helm:
    """The guide's way: the charts, with and without the changed field."""

    def __init__(self, home: Home, engine: Engine) -> None:
        self.charts = {changed: home.root / f"charts-{changed}" for changed in (False, True)}
        self.environment = engine.env
        for changed, folder in self.charts.items():
            objects = _objects(engine, changed=changed)
            self.route = next(each for each in objects if each["kind"] == "HTTPRoute")
            for release in RELEASES:
                _chart(folder / release, (each for each in objects if _release(each) == release))

    def round(self, home: Home, _: Engine) -> list[float]:
        """Seconds of each step in `WHAT`."""
        begun = time.monotonic()
        self._upgrade(home, changed=False)
        with api.connect(home.host_kubeconfig) as cluster:
            cluster.apply(_route_path(self.route), self.route)
        seconds = [time.monotonic() - begun]
        for changed in (False, True):
            begun = time.monotonic()
            self._upgrade(home, changed=changed)
            seconds.append(time.monotonic() - begun)
        begun = time.monotonic()
        with api.connect(home.host_kubeconfig) as cluster:
            cluster.delete(_route_path(self.route))
        for release in reversed(RELEASES):
            self._run(home, "uninstall", release, "--wait")
        _await_no_pods(home)
        seconds.append(time.monotonic() - begun)
        with api.connect(home.host_kubeconfig) as cluster:
            cluster.delete(f"/api/v1/namespaces/{NAMESPACE}")
            while any(each["metadata"]["name"] == NAMESPACE for each in cluster.get("/api/v1/namespaces")["items"]):
                time.sleep(0.2)
        return [*seconds, time.monotonic() - begun]

    def _upgrade(self, home: Home, *, changed: bool) -> None:
        for release in RELEASES:
            chart = str(self.charts[changed] / release)
            self._run(home, "upgrade", "--install", release, chart, "--create-namespace", "--wait", "--timeout=10m")

    def _run(self, home: Home, *arguments: str) -> None:
        command = [*lifecycle.enter(home), "helm", *arguments, "--namespace", NAMESPACE]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"helm {' '.join(arguments)} failed:\n{done.stdout}\n{done.stderr}")


def _objects(engine: Engine, *, changed: bool) -> list[dict[str, Any]]:
    settings = dict(serving(engine.cwd / "Pulumi.amd.yaml"))  # the sandbox's copy: it may name a release
    if changed:
        settings["routing"] = {**settings.get("routing", {}), "verbosity": CHANGED[1]}
    objects = [plain(each) for each in run_program(settings, token="placeholder").objects.values()]
    return [each for each in objects if each["kind"] != "Namespace"]


def _release(each: dict[str, Any]) -> str | None:
    """The release that owns the object in the guide; the route is applied by hand."""
    if each["kind"] == "HTTPRoute":
        return None
    name = each["metadata"]["name"]
    return next((release for release in RELEASES if name.startswith(release)), "gaie-pd")


def _chart(folder: Path, objects: Iterable[dict[str, Any]]) -> None:
    (folder / "templates").mkdir(parents=True)
    (folder / "Chart.yaml").write_text(f"apiVersion: v2\nname: {folder.name}\nversion: 0.1.0\n")
    (folder / "objects.yaml").write_text("\n---\n".join(map(json.dumps, objects)))
    (folder / "templates" / "all.yaml").write_text('{{ .Files.Get "objects.yaml" }}\n')


def _route_path(route: dict[str, Any]) -> str:
    return f"/apis/{route['apiVersion']}/namespaces/{NAMESPACE}/httproutes/{route['metadata']['name']}"


def _await_no_pods(home: Home, ended: Callable[[], bool] = lambda: False) -> None:
    with api.connect(home.host_kubeconfig) as cluster:
        while cluster.get(f"/api/v1/namespaces/{NAMESPACE}/pods")["items"] and not ended():
            time.sleep(0.2)


if __name__ == "__main__":
    sys.exit(main())
