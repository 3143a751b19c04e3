"""Checks the worker tiers: their pods exist, are Ready and have their GPUs."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from verify import crashes
from verify.cluster import Cluster, Object
from verify.finding import Finding, Unreachable, absent, failed, ok, warning
from verify.outputs import Outputs, Workload
from verify.pods import container_statuses, is_ready, name
from verify.waiting import setting_for, why

_GPU = re.compile(r"(^|[./])(gpu|gaudi|tpu)|gpu\.intel\.com/")
_NOT_READY = "the reason above; `kubectl describe pod` and `kubectl logs`. A 70B model loads for up to half an hour"
_PLAIN = {"cpu", "memory", "ephemeral-storage"}
VLLM = "vllm"
"""Name of vLLM's container and of its port."""


@dataclass(frozen=True)
class Tier:
    """A tier: what the stack declares, and its live pods."""

    role: str
    declared: Workload
    pods: list[Object]
    """Pods that are not being deleted."""
    wanted: int
    """Number of pods that there should be: as declared, or as the autoscaler has set it in the Deployment."""

    @property
    def ready(self) -> list[Object]:
        return [pod for pod in self.pods if is_ready(pod)]


def read(cluster: Cluster, outputs: Outputs, role: str) -> Tier:
    """Find a tier's pods by the selector of its Deployment. Raises `Unreachable`."""
    declared = outputs.workloads[role]
    deployment = cluster.get(f"/apis/apps/v1/namespaces/{outputs.namespace}/deployments/{declared.name}")
    wanted = int(deployment["spec"].get("replicas", 1)) if declared.replicas is None else declared.replicas
    pods = pods_of(cluster, outputs.namespace, deployment["spec"]["selector"]["matchLabels"])
    return Tier(role, declared, pods, wanted)


def pods_of(cluster: Cluster, namespace: str, labels: dict[str, str]) -> list[Object]:
    """List the pods with these labels, without those that are being deleted; no labels, no pods."""
    if not labels:
        return []
    selector = ",".join(f"{key}={value}" for key, value in labels.items())
    found = cluster.get(f"/api/v1/namespaces/{namespace}/pods", labelSelector=selector)["items"]
    return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]


def judge(cluster: Cluster, outputs: Outputs, role: str) -> tuple[Finding, Tier | None]:
    """Find a tier and report whether it is complete."""
    try:
        tier = read(cluster, outputs, role)
    except Unreachable as missing:
        return absent(role, missing, f"there are no {role} workers"), None
    return judged(tier, crashes.read(cluster, outputs.namespace, VLLM, tier.pods)), tier


def judged(tier: Tier, causes: Mapping[str, crashes.Cause]) -> Finding:
    """Report whether a tier's pods are complete. `causes`: reasons of vLLM's restarts, by pod, as far as known."""
    declared, ready = tier.declared, tier.ready
    held = sum(gpus(pod) for pod in ready)
    planned = f"{held} GPUs, autoscaled" if declared.gpus is None else f"{held} of {declared.gpus} GPUs"
    evidence = f"{len(ready)} of {tier.wanted} pods Ready, {planned} ({declared.name})"
    pod, cause = next(iter(causes.items()), ("", None))
    if cause:
        evidence += f"; vLLM of {pod} ended: {cause.evidence}"
    if len(ready) < tier.wanted:
        waiting = "; ".join(f"{name(pod)}: {why(pod)}" for pod in tier.pods if not is_ready(pod))
        return failed(
            tier.role,
            f"{evidence}; {waiting or 'no more pods exist'}",
            cause.meaning if cause else "requests find fewer workers than planned, or none",
            cause.remedy if cause else setting_for(waiting, tier.role) or _NOT_READY,
        )
    if declared.gpus is not None and (held != declared.gpus or len(ready) > tier.wanted):
        return failed(
            tier.role,
            evidence,
            "the cluster has something else than the stack declared: the Deployment was scaled or edited",
            "`pulumi refresh`, then `pulumi up`",
        )
    restarts = {name(pod): count for pod in ready if (count := restart_count(pod))}
    if restarts:
        return warning(
            tier.role,
            f"{evidence}; restarts: {', '.join(f'{pod} {count}' for pod, count in restarts.items())}",
            f"{cause.meaning if cause else 'containers ended and were restarted'}; requests under way were lost",
            cause.remedy if cause else "`kubectl logs --previous` of these pods says why",
        )
    return ok(tier.role, evidence)


def containers(pod: Object) -> list[Object]:
    """Return the containers, native sidecars first."""
    sidecars = [one for one in pod["spec"].get("initContainers") or [] if one.get("restartPolicy") == "Always"]
    return sidecars + list(pod["spec"]["containers"])


def vllm_port(pod: Object) -> int:
    """Return the port of vLLM itself, not of a decode pod's sidecar. Raises `Unreachable`."""
    for container in containers(pod):
        for port in container.get("ports") or []:
            if port.get("name") == VLLM:
                return int(port["containerPort"])
    raise Unreachable(f"pod {name(pod)} has no port named {VLLM}", "`pulumi refresh`, then `pulumi up`")


def limits(pod: Object) -> dict[str, str]:
    """Return the extended resources (GPUs, RDMA devices) that the pod's containers hold."""
    return {
        resource: str(amount)
        for container in containers(pod)
        for resource, amount in container.get("resources", {}).get("limits", {}).items()
        if resource not in _PLAIN
    }


def is_gpu(resource: str) -> bool:
    """Whether a resource is an accelerator."""
    return bool(_GPU.search(resource))


def gpus(pod: Object) -> int:
    """Return the accelerators that a pod holds."""
    return sum(int(amount) for resource, amount in limits(pod).items() if is_gpu(resource))


def restart_count(pod: Object) -> int:
    """Return the number of restarts of a pod's containers."""
    return sum(int(one.get("restartCount", 0)) for one in container_statuses(pod))
