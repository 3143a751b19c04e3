"""Scrape configurations that the Prometheus operator makes of PodMonitors and ServiceMonitors.

Source: prometheus-operator v0.85, `pkg/prometheus/promcfg.go`, for the fields of the program's monitors.
"""

import re
from base64 import b64decode
from pathlib import Path
from typing import Any

from sandbox.cluster.api import Api

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
