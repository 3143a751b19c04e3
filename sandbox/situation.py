"""What runs where, read from the API server: pods by node, GPUs in use, and what waits and why."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sandbox.advice import setting_for
from sandbox.cluster.api import Api
from sandbox.cluster.description import GPU_RESOURCE
from sandbox.talking import pods
from sandbox.talking.pods import Pod

_ENDED = ("Succeeded", "Failed")


@dataclass(frozen=True)
class Waiting:
    """A pod, or a workload whose pods are refused, that waits, and what Kubernetes says about it."""

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
        """Ask the API server."""
        return cls(
            api.get("/api/v1/nodes")["items"],
            sorted(pods.listed(api), key=lambda pod: (pod.namespace, pod.name)),
            api.get("/apis/apps/v1/replicasets")["items"],
        )

    def waiting(self) -> list[Waiting]:
        """Return what can't run, with the scheduler's or the API server's own words."""
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
        """Write it down for a person: each node with its pods and GPUs, then what waits."""
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
