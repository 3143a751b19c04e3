"""Resources and rights of the vLLM container."""

from collections.abc import Mapping

import pulumi_kubernetes as k8s

from components.plan.worker_args import WorkerArgs


def equal_resources(amounts: Mapping[str, str]) -> k8s.core.v1.ResourceRequirementsArgs:
    """Requests equal to limits: extended resources demand it, and so the pod is of class Guaranteed."""
    return k8s.core.v1.ResourceRequirementsArgs(limits=dict(amounts), requests=dict(amounts))


def security(worker: WorkerArgs) -> k8s.core.v1.SecurityContextArgs | None:
    """Privileged on the host's network, where adapters are not handed out by a device plugin; else what was asked."""
    if not worker.host_network and not worker.capabilities:
        return None
    return k8s.core.v1.SecurityContextArgs(
        privileged=True if worker.host_network else None,
        capabilities=k8s.core.v1.CapabilitiesArgs(add=worker.capabilities),
    )
