"""A real Prometheus inside a sandbox that scrapes a stack, configured as by the operator."""

import json
import re
import shutil
import subprocess
import sys
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import yaml

from sandbox.cluster.api import Api
from sandbox.progress import Progress
from sandbox.toolchain import provide
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
    config = configuration(api, namespace, cluster.home.kubeconfig)
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(config))
    (folder / "rules.yaml").write_text(yaml.safe_dump(rules(api, namespace)))
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


MONITORS = "/apis/monitoring.coreos.com/v1/namespaces"


def configuration(api: Api, namespace: str, kubeconfig: Path) -> dict[str, Any]:
    pods = [_of_pods(one, kubeconfig) for one in _listed(api, namespace, "podmonitors")]
    services = [_of_services(api, one, kubeconfig) for one in _listed(api, namespace, "servicemonitors")]
    timeout = {"scrape_interval": "30s", "evaluation_interval": "5s"}
    return {"global": timeout, "rule_files": ["rules.yaml"], "scrape_configs": [*pods, *services]}


def rules(api: Api, namespace: str) -> dict[str, Any]:
    return {"groups": [group for one in _listed(api, namespace, "prometheusrules") for group in one["spec"]["groups"]]}


def _listed(api: Api, namespace: str, kind: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = api.get(f"{MONITORS}/{namespace}/{kind}")["items"]
    return items


def _of_pods(monitor: dict[str, Any], kubeconfig: Path) -> dict[str, Any]:
    namespace, name = monitor["metadata"]["namespace"], monitor["metadata"]["name"]
    [endpoint] = monitor["spec"]["podMetricsEndpoints"]
    relabelings = [
        {"action": "drop", "source_labels": ["__meta_kubernetes_pod_phase"], "regex": "(Failed|Succeeded)"},
        *_selected("pod", monitor["spec"]["selector"]["matchLabels"]),
        _keep("__meta_kubernetes_pod_container_port_name", endpoint["port"]),
        _copy("__meta_kubernetes_namespace", "namespace"),
        _copy("__meta_kubernetes_pod_container_name", "container"),
        _copy("__meta_kubernetes_pod_name", "pod"),
        {"target_label": "job", "replacement": f"{namespace}/{name}"},
        {"target_label": "endpoint", "replacement": endpoint["port"]},
    ]
    discovery = _discovery("pod", namespace, kubeconfig)
    return _job(f"podMonitor/{namespace}/{name}/0", discovery, endpoint, relabelings)


def _of_services(api: Api, monitor: dict[str, Any], kubeconfig: Path) -> dict[str, Any]:
    namespace, name = monitor["metadata"]["namespace"], monitor["metadata"]["name"]
    spec = monitor["spec"]
    [endpoint] = spec["endpoints"]
    relabelings = [
        *_selected("service", spec["selector"]["matchLabels"]),
        _keep("__meta_kubernetes_endpoint_port_name", endpoint["port"]),
        _copy("__meta_kubernetes_namespace", "namespace"),
        _copy("__meta_kubernetes_service_name", "service"),
        _copy("__meta_kubernetes_pod_name", "pod"),
        _copy(f"__meta_kubernetes_service_label_{_plain(spec['jobLabel'])}", "job"),
        {"target_label": "endpoint", "replacement": endpoint["port"]},
    ]
    [watched] = spec["namespaceSelector"]["matchNames"]
    discovery = _discovery("endpoints", watched, kubeconfig)
    job = _job(f"serviceMonitor/{namespace}/{name}/0", discovery, endpoint, relabelings)
    credentials = endpoint["authorization"]["credentials"]
    secret = api.get(f"/api/v1/namespaces/{namespace}/secrets/{credentials['name']}")
    return {**job, "authorization": {"credentials": b64decode(secret["data"][credentials["key"]]).decode()}}


def _job(
    name: str, discovery: dict[str, Any], endpoint: dict[str, Any], relabelings: list[dict[str, Any]]
) -> dict[str, Any]:
    return {
        "job_name": name,
        "scrape_interval": endpoint["interval"],
        "scrape_timeout": endpoint["interval"],
        "metrics_path": endpoint["path"],
        "kubernetes_sd_configs": [discovery],
        "relabel_configs": [*relabelings, *map(_relabeling, endpoint["relabelings"])],
    }


def _discovery(role: str, namespace: str, kubeconfig: Path) -> dict[str, Any]:
    return {"role": role, "kubeconfig_file": str(kubeconfig), "namespaces": {"names": [namespace]}}


def _relabeling(relabeling: dict[str, Any]) -> dict[str, Any]:
    """Return a monitor's relabeling in the spelling of Prometheus' configuration file."""
    return {re.sub(r"[A-Z]", lambda one: f"_{one[0].lower()}", key): value for key, value in relabeling.items()}


def _selected(kind: str, labels: dict[str, str]) -> list[dict[str, Any]]:
    return [_keep(f"__meta_kubernetes_{kind}_label_{_plain(key)}", value) for key, value in labels.items()]


def _keep(label: str, value: str) -> dict[str, Any]:
    return {"action": "keep", "source_labels": [label], "regex": re.escape(value)}


def _copy(label: str, target: str) -> dict[str, Any]:
    return {"source_labels": [label], "target_label": target}


def _plain(key: str) -> str:
    return re.sub(r"[^a-zA-Z0-9_]", "_", key)
