"""Resources and rights of the vLLM container."""

from collections.abc import Mapping

import pulumi_kubernetes as k8s

from components.plan.worker_args import ResolvedTier


def equal_resources(amounts: Mapping[str, str]) -> k8s.core.v1.ResourceRequirementsArgs:
    """Requests equal to limits, of which a pod of class Guaranteed consists."""
    return k8s.core.v1.ResourceRequirementsArgs(limits=dict(amounts), requests=dict(amounts))


def security(worker: ResolvedTier) -> k8s.core.v1.SecurityContextArgs | None:
    """What differs from an ordinary container's rights: more, or with `confined` less."""
    user, confined = worker.run_as_user, worker.confined
    if not worker.privileged and not worker.capabilities and user is None and not confined:
        return None
    capabilities = k8s.core.v1.CapabilitiesArgs(add=worker.capabilities or None, drop=["ALL"] if confined else None)
    return k8s.core.v1.SecurityContextArgs(
        privileged=True if worker.privileged else None,
        run_as_user=user,
        run_as_group=0 if user == 0 else None,
        run_as_non_root=True if confined else None,
        allow_privilege_escalation=False if confined else None,
        capabilities=capabilities if worker.capabilities or confined else None,
        seccomp_profile=k8s.core.v1.SeccompProfileArgs(type="RuntimeDefault") if confined else None,
    )
