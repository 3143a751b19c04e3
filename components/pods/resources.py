"""Resources and rights of the vLLM container."""

from collections.abc import Mapping

import pulumi_kubernetes as k8s

from components.plan.worker_args import ResolvedTier


def equal_resources(amounts: Mapping[str, str]) -> k8s.core.v1.ResourceRequirementsArgs:
    """Requests equal to limits, of which a pod of class Guaranteed consists."""
    return k8s.core.v1.ResourceRequirementsArgs(limits=dict(amounts), requests=dict(amounts))


def security(worker: ResolvedTier) -> k8s.core.v1.SecurityContextArgs | None:
    """What is asked beyond an ordinary container's rights, and what is taken from them."""
    confinement = worker.confinement
    capabilities = k8s.core.v1.CapabilitiesArgs(
        add=worker.capabilities or None, drop=confinement.drop_capabilities or None
    )
    context = {
        "privileged": True if worker.privileged else None,
        "run_as_user": worker.run_as_user,
        "run_as_group": confinement.run_as_group,
        "run_as_non_root": confinement.run_as_non_root,
        "allow_privilege_escalation": confinement.allow_privilege_escalation,
        "read_only_root_filesystem": confinement.read_only_root_filesystem,
        "capabilities": capabilities if worker.capabilities or confinement.drop_capabilities else None,
        "seccomp_profile": _seccomp(confinement.seccomp_profile),
    }
    given = {field: value for field, value in context.items() if value is not None}
    return k8s.core.v1.SecurityContextArgs(**given) if given else None  # type: ignore[arg-type]  # each of its own type


def _seccomp(profile: str | None) -> k8s.core.v1.SeccompProfileArgs | None:
    if profile is None:
        return None
    kind, _, file = profile.partition("/")
    return k8s.core.v1.SeccompProfileArgs(type=kind, localhost_profile=file or None)
