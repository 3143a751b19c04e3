"""Shows running pods, waiting pods with the reason, and the setting to change: once, or during `pulumi up`."""

import json
import re
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.cluster import lifecycle
from sandbox.cluster.api import Api, ApiError, connect
from sandbox.cluster.description import GPU_RESOURCE
from sandbox.errors import SandboxError
from sandbox.home import Home, stack_outputs
from sandbox.progress import Progress
from sandbox.talking import pods
from sandbox.talking.pods import Pod

ROLE = "{role}"
"""Placeholder for the tier's key in `serving`: prefill or decode."""

_REMEDIES: tuple[tuple[str, str], ...] = (
    (r"no nodes available", "`make up` makes the simulated nodes: of serving.accelerator, or of CLUSTER=…"),
    (
        r"Insufficient \w+\.com/gpu",
        "serving.{role}.replicas or serving.{role}.tensorParallel (fewer GPUs), more nodes: make up NODES=…, or other "
        "nodes: make up CLUSTER=…",
    ),
    (
        r"free ports",
        "serving.hostNetwork: with it each worker needs a node to itself, so two nodes: make up NODES=2; otherwise "
        "serving.{role}.replicas",
    ),
    (
        r"anti-affinity",
        "serving.hostNetwork: its prefill and decode workers never share a node, so two nodes: make up NODES=2",
    ),
    (r"node affinity|node selector|node\(s\) didn't match", "serving.{role}.nodeSelector and serving.{role}.affinity"),
    (r"taint", "serving.{role}.tolerations"),
    (r"Insufficient cpu", "serving.{role}.cpu"),
    (r"Insufficient memory", "serving.{role}.memory and serving.{role}.shmSize"),
    (r"Insufficient ephemeral-storage", "serving.model.storage"),
    (
        r"Insufficient (?!\w+\.com/gpu)[\w.-]+/",
        "serving.rdma.resource and serving.rdma.count, or the tier's own; nodes with other devices: make up CLUSTER=…",
    ),
    (r"persistentvolumeclaim|PersistentVolumeClaim", "serving.model.claim: the claim must exist in the namespace"),
    (
        r"PodSecurity",
        "serving.security.podSecurity; with serving.createNamespace: false the namespace must allow these pods",
    ),
    (r"quota", "the namespace's ResourceQuota, or serving.{role}.replicas, .cpu and .memory"),
)


def setting_for(message: str, role: str | None) -> str:
    """Return the setting that solves the problem in `message`, for a pod of tier `role` if it has one."""
    tier = role or "<prefill|decode>"
    found = [remedy for pattern, remedy in _REMEDIES if re.search(pattern, message)]
    return "; ".join(found).replace(ROLE, tier) or "nothing in `serving` is known to change this"


_ENDED = ("Succeeded", "Failed")


@dataclass(frozen=True)
class Waiting:
    """A waiting pod, or a workload with refused pods, and Kubernetes' message."""

    name: str
    message: str
    role: str | None

    def __str__(self) -> str:
        return f"{self.name} waits: {self.message}\n    → {setting_for(self.message, self.role)}"


@dataclass(frozen=True)
class Situation:
    """Nodes, pods and workloads at one moment."""

    nodes: list[dict[str, Any]]
    pods: list[Pod]
    replica_sets: list[dict[str, Any]]

    @classmethod
    def now(cls, api: Api) -> "Situation":
        """Read the present situation from the API server."""
        return cls(
            api.get("/api/v1/nodes")["items"],
            sorted(pods.listed(api), key=lambda pod: (pod.namespace, pod.name)),
            api.get("/apis/apps/v1/replicasets")["items"],
        )

    def waiting(self) -> list[Waiting]:
        """Return pods and workloads that can't run, with the message of the scheduler or the API server."""
        refused = [
            Waiting(_name(one), condition.get("message", ""), _role(one["spec"]["template"]["metadata"]))
            for one in self.replica_sets
            for condition in _conditions(one, "ReplicaFailure", "True")
        ]
        unplaced = [
            Waiting(_name(pod.object), condition.get("message", ""), _role(pod.object["metadata"]))
            for pod in self.pods
            for condition in _conditions(pod.object, "PodScheduled", "False")
        ]
        return refused + unplaced

    def lines(self) -> list[str]:
        """Return lines for the user: each node with its pods and GPUs, then what waits."""
        text = []
        for node in self.nodes:
            name = node["metadata"]["name"]
            here = [pod for pod in self.pods if pod.node == name and pod.state not in _ENDED]
            for resource in GPU_RESOURCE.values():
                if resource in node["status"]["allocatable"]:
                    total = int(node["status"]["allocatable"][resource])
                    used = sum(pod.gpus for pod in here)
                    text.append(f"{name}  {used} of {total} {resource} in use, {total - used} free")
            text += [f"    {_name(pod.object)}  {pod.state}{_gpu_text(pod)}" for pod in here]
        waiting = self.waiting()
        return [*text, *(["waiting"] if waiting else []), *(f"  {one}" for one in waiting)]


def _name(one: dict[str, Any]) -> str:
    return f"{one['metadata']['namespace']}/{one['metadata']['name']}"


def _role(metadata: dict[str, Any]) -> str | None:
    role = metadata.get("labels", {}).get("llm-d.ai/role")
    return role if role in ("prefill", "decode") else None


def _conditions(one: dict[str, Any], kind: str, status: str) -> Iterable[dict[str, Any]]:
    found = one["status"].get("conditions") or []
    return (each for each in found if each["type"] == kind and each["status"] == status)


def _gpu_text(pod: Pod) -> str:
    return f", {pod.gpus} GPU{'s' if pod.gpus > 1 else ''}" if pod.gpus else ""


_INTERVAL = 1.0


@contextmanager
def watching(kubeconfig: Path, report: Progress) -> Iterator[None]:
    """Watch while the body runs; print each problem once, when two looks in a row have found it."""
    ended = threading.Event()
    watcher = threading.Thread(target=_watch, args=(kubeconfig, report, ended))
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()


def _watch(kubeconfig: Path, report: Progress, ended: threading.Event) -> None:
    printed: set[Waiting] = set()
    before: set[Waiting] = set()
    with connect(kubeconfig) as api:
        while not ended.wait(_INTERVAL):
            try:
                now = set(Situation.now(api).waiting())
            except (ApiError, SandboxError):
                return  # the sandbox was stopped meanwhile, which Pulumi reports
            for one in sorted((now & before) - printed, key=str):
                report.say(f"\n{one}")
            printed |= now & before
            before = now


def show(home: Home, report: Progress, *, outputs: bool = False) -> None:
    """Print the pods and GPUs of each node, what waits and why, and with `outputs` the stacks' outputs."""
    keeper = lifecycle.last_keeper(home.cluster)
    if keeper:
        report.say(
            f"\nSandbox {home.name!r}, API server https://127.0.0.1:{keeper.port} from outside ({home.host_kubeconfig})"
        )
    with connect(home.host_kubeconfig) as api:
        for line in Situation.now(api).lines():
            report.say(line)
    if outputs:
        for stack, values in stack_outputs(home).items():
            report.say(f"outputs of stack {stack}")
            for key, value in values.items():
                report.say(f"    {key}: {value if isinstance(value, str) else json.dumps(value)}")
