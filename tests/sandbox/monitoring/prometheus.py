"""A real Prometheus inside a sandbox that scrapes a stack, configured as by the operator."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import yaml

from sandbox.cluster.api import Api
from sandbox.progress import Progress
from sandbox.toolchain import provide
from tests.sandbox.monitoring import scraping
from tests.sandbox.running import Running, soon

ADDRESS = "127.0.0.1:9191"
ASK = """
import json, sys, urllib.request
def ask(path):
    with urllib.request.urlopen("http://" + sys.argv[1] + path, timeout=30) as answer:
        return json.load(answer)["data"]
print(json.dumps([ask(path) for path in json.load(sys.stdin)]))
"""
"""Program that sends many queries to Prometheus from inside the sandbox."""

Lines = list[dict[str, Any]]
"""Series with their `metric` and `values`."""


@dataclass(frozen=True)
class Prometheus:
    cluster: Running

    def ask(self, *paths: str) -> list[Any]:
        """Return the API's answer to each query."""
        done = subprocess.run(
            [*self.cluster.enter, sys.executable, "-I", "-c", ASK, ADDRESS],
            input=json.dumps(paths),
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        if done.returncode:
            raise OSError(done.stderr)
        answers: list[Any] = json.loads(done.stdout)
        return answers

    def values(self, query: str) -> Lines:
        [answer] = self.ask(f"/api/v1/query?{urlencode({'query': query})}")
        result: Lines = answer["result"]
        return result

    def ranges(self, queries: list[str], start: float, end: float) -> dict[str, Lines]:
        """Return expressions over a time range, at 60 points."""
        times = {"start": start, "end": end, "step": max((end - start) / 60, 0.5)}
        paths = [f"/api/v1/query_range?{urlencode({'query': query, **times})}" for query in queries]
        return {query: answer["result"] for query, answer in zip(queries, self.ask(*paths), strict=True)}

    def names(self) -> set[str]:
        [names] = self.ask("/api/v1/label/__name__/values")
        return set(names)

    def watches(self, targets: int) -> bool:
        with suppress(OSError):
            return [each["value"][1] for each in self.values("sum(up)")] == [str(targets)]
        return False


@contextmanager
def watching(cluster: Running, api: Api, namespace: str, targets: int) -> Iterator[Prometheus]:
    """Run Prometheus; yield it when it reaches all targets."""
    folder = cluster.home.root / "prometheus"
    shutil.rmtree(folder, ignore_errors=True)  # old data of another stack would count, too
    folder.mkdir()
    config = scraping.configuration(api, namespace, cluster.home.kubeconfig)
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(config))
    (folder / "rules.yaml").write_text(yaml.safe_dump(scraping.rules(api, namespace)))
    program = provide(["prometheus"], Progress())["prometheus"]
    flags = [f"--config.file={folder}/prometheus.yaml", f"--storage.tsdb.path={folder}/data"]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [*cluster.enter, program, *flags, f"--web.listen-address={ADDRESS}"], stdout=log, stderr=log, cwd=folder
        )
    try:
        found = Prometheus(cluster)
        assert soon(lambda: found.watches(targets) or process.poll() is not None, 120), (folder / "log").read_text()
        assert process.poll() is None, (folder / "log").read_text()
        yield found
    finally:
        process.kill()
        process.wait()
