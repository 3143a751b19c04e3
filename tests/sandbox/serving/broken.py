"""Deploys a small stack in its own namespace, with or without a defect, and verifies it."""

import time
from collections.abc import Mapping
from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from typing import Any

from access import kubeconfig as kubeconfigs
from access.server import ApiServer
from sandbox.cluster.api import Api, ApiError
from tests.recorder import plain, run_program
from tests.sandbox.serving.defects import Defect, Objects
from verify.cluster import Cluster
from verify.finding import Finding
from verify.outputs import Outputs, Workload
from verify.steps import Verification

MODEL = "amd/Llama-3.3-70B-Instruct-FP8-KV"
_CLUSTER_SCOPED = {"Namespace", "ClusterRole", "ClusterRoleBinding"}
_ONE_GPU = {"replicas": 1, "tensorParallel": 1}


def render(namespace: str, *, release: str = "0.6", routing: Mapping[str, Any] | None = None) -> Objects:
    """Return the program's objects for one prefill and one decode worker with a GPU each."""
    serving = {
        "accelerator": "amd",
        "model": {"name": MODEL},
        "namespace": namespace,
        "prefill": _ONE_GPU,
        "decode": _ONE_GPU,
        "release": release,
        "routing": dict(routing or {}),
        "monitoring": {"enabled": False},
    }
    objects: Objects = plain(run_program(serving, token="placeholder").objects)
    return objects


def with_defect(defect: Defect, objects: Objects) -> Objects:
    changed = deepcopy(objects)
    defect.change(changed)
    assert changed != objects, f"{defect.name}: nothing was changed"
    return changed


_PARTS = {
    "prefill": "ms-pd-llm-d-modelservice-prefill",
    "decode": "ms-pd-llm-d-modelservice-decode",
    "picker": "gaie-pd-epp",
    "gateway": "infra-pd-inference-gateway",
}
"""Deployment, or Gateway with its Deployment, by the step of `verify`."""

_SETTLED = 1.0
"""Seconds that everything must stay ready. A user of the CLI needs that time, too, and Envoy may need it to learn of a
late picker."""


def deploy(api: Api, objects: Objects, patience: float, late: str = "", grace: float = 0.0) -> bool:
    """Create the objects, the namespace first; return whether all are ready, and stay so, within `patience` seconds.

    Objects of the step `late` are expected to stay unready: they get `grace` seconds after all others are ready.
    """
    for one in sorted(objects.values(), key=lambda each: each["kind"] != "Namespace"):
        api.apply(_path(one), one)
    [namespace] = [one["metadata"]["name"] for one in objects.values() if one["kind"] == "Namespace"]
    rest = _settles(api, namespace, patience, _PARTS.get(late, ""))
    return rest and (not late or _settles(api, namespace, grace, ""))


def _settles(api: Api, namespace: str, patience: float, but: str) -> bool:
    deadline = time.monotonic() + patience
    since: float | None = None
    while since is None or time.monotonic() < since + _SETTLED:
        if time.monotonic() > deadline:
            return False
        if not _ready(api, namespace, but):
            since = None
        elif since is None:
            since = time.monotonic()
        time.sleep(0.2)
    return True


def verify(kubeconfig: Path, namespace: str) -> list[Finding]:
    tiers = {role: Workload(f"ms-pd-llm-d-modelservice-{role}", 1, 1, rdma=False) for role in ("prefill", "decode")}
    cluster = Cluster(ApiServer.connect(kubeconfigs.read(str(kubeconfig))))
    outputs = Outputs("test", namespace, MODEL, "gaie-pd", "", "", "infra-pd-inference-gateway", "istio", tiers)
    verification = Verification(cluster, outputs, lambda _: None)
    verification.run(requests=2, seconds=5)
    return verification.findings


def remove(api: Api, objects: Objects) -> None:
    """Delete everything, without a wait and without the pods' grace."""
    [namespace] = [one["metadata"]["name"] for one in objects.values() if one["kind"] == "Namespace"]
    for one in objects.values():
        if one["kind"] in ("Deployment", *_CLUSTER_SCOPED):
            with suppress(ApiError):
                api.delete(_path(one))
    for pod in api.get(f"/api/v1/namespaces/{namespace}/pods")["items"]:
        with suppress(ApiError):
            api.delete(f"/api/v1/namespaces/{namespace}/pods/{pod['metadata']['name']}", gracePeriodSeconds="0")


def _ready(api: Api, namespace: str, but: str) -> bool:
    """Whether all pods are available and the Gateway is Programmed, except objects with the prefix `but`.

    The condition Available does not suffice: a tier with one replaceable worker has it without any worker.
    """
    deployments = api.get(f"/apis/apps/v1/namespaces/{namespace}/deployments")["items"]
    gateways = api.get(f"/apis/gateway.networking.k8s.io/v1/namespaces/{namespace}/gateways")["items"]

    def counted(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [one for one in found if not (but and one["metadata"]["name"].startswith(but))]

    return all(map(_complete, counted(deployments))) and all(map(_programmed, counted(gateways)))


def _complete(deployment: Mapping[str, Any]) -> bool:
    return bool(deployment["status"].get("availableReplicas", 0) == deployment["spec"]["replicas"])


def _programmed(gateway: Mapping[str, Any]) -> bool:
    conditions = (gateway.get("status") or {}).get("conditions") or []
    return any(each["type"] == "Programmed" and each["status"] == "True" for each in conditions)


def _path(one: Mapping[str, Any]) -> str:
    version, metadata = one["apiVersion"], one["metadata"]
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    within = "" if one["kind"] in _CLUSTER_SCOPED else f"/namespaces/{metadata['namespace']}"
    return f"{root}{within}/{one['kind'].lower()}s/{metadata['name']}"
