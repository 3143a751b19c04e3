"""What runs where, read from the API server: pods by node, GPUs in use, and what waits and why."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sandbox.advice import setting_for
from sandbox.cluster.api import Api
from sandbox.cluster.description import GPU_RESOURCE

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
    pods: list[dict[str, Any]]
    replica_sets: list[dict[str, Any]]

    @classmethod
    def now(cls, api: Api) -> "Situation":
        """Ask the API server."""
        return cls(
            api.get("/api/v1/nodes")["items"],
            api.get("/api/v1/pods")["items"],
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
            Waiting(_name(one), condition.get("message", ""), _role(one["metadata"]))
            for one in self.pods
            for condition in _conditions(one, "PodScheduled", "False")
        ]
        return refused + unplaced

    def lines(self) -> list[str]:
        """Write it down for a person: each node with its pods and GPUs, then what waits."""
        text = []
        for node in self.nodes:
            name = node["metadata"]["name"]
            here = [pod for pod in self.pods if pod["spec"].get("nodeName") == name and _alive(pod)]
            for resource in GPU_RESOURCE.values():
                if resource in node["status"]["allocatable"]:
                    total = int(node["status"]["allocatable"][resource])
                    used = sum(_gpus(pod, [resource]) for pod in here)
                    text.append(f"{name}  {used} of {total} {resource} in use, {total - used} free")
            text += [f"    {_name(pod)}  {_state(pod)}{_gpu_text(pod)}" for pod in sorted(here, key=_name)]
        waiting = self.waiting()
        return [*text, *(["waiting"] if waiting else []), *(f"  {one}" for one in waiting)]


def _name(one: dict[str, Any]) -> str:
    return f"{one['metadata']['namespace']}/{one['metadata']['name']}"


def _role(metadata: dict[str, Any]) -> str | None:
    role = metadata.get("labels", {}).get("llm-d.ai/role")
    return role if role in ("prefill", "decode") else None


def _alive(pod: dict[str, Any]) -> bool:
    return pod["status"].get("phase") not in _ENDED


def _conditions(one: dict[str, Any], kind: str, status: str) -> Iterable[dict[str, Any]]:
    found = one["status"].get("conditions") or []
    return (each for each in found if each["type"] == kind and each["status"] == status)


def _state(pod: dict[str, Any]) -> str:
    if pod["metadata"].get("deletionTimestamp"):
        return "Terminating"
    return "Ready" if any(_conditions(pod, "Ready", "True")) else str(pod["status"].get("phase", "Pending"))


def _gpus(pod: dict[str, Any], resources: Iterable[str]) -> int:
    limits = [container.get("resources", {}).get("limits", {}) for container in pod["spec"]["containers"]]
    return sum(int(limit.get(resource, 0)) for limit in limits for resource in resources)


def _gpu_text(pod: dict[str, Any]) -> str:
    count = _gpus(pod, GPU_RESOURCE.values())
    return f", {count} GPU{'s' if count > 1 else ''}" if count else ""
