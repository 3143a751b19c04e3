"""Resources and rights of the vLLM container."""

from collections.abc import Mapping

from components.manifests import Fields, given
from components.plan.worker_args import ResolvedTier


def equal_resources(amounts: Mapping[str, str]) -> Fields:
    """Requests equal to limits, of which a pod of class Guaranteed consists."""
    return {"limits": dict(amounts), "requests": dict(amounts)}


def security(worker: ResolvedTier) -> Fields | None:
    """What is asked beyond an ordinary container's rights, and what is taken from them."""
    confinement = worker.confinement
    capabilities = given({"add": worker.capabilities or None, "drop": confinement.drop_capabilities or None})
    context = {
        "privileged": True if worker.privileged else None,
        "runAsUser": worker.run_as_user,
        "runAsGroup": confinement.run_as_group,
        "runAsNonRoot": confinement.run_as_non_root,
        "allowPrivilegeEscalation": confinement.allow_privilege_escalation,
        "readOnlyRootFilesystem": confinement.read_only_root_filesystem,
        "capabilities": capabilities or None,
        "seccompProfile": _seccomp(confinement.seccomp_profile),
    }
    return given(context) or None


def _seccomp(profile: str | None) -> Fields | None:
    if profile is None:
        return None
    kind, _, file = profile.partition("/")
    return given({"type": kind, "localhostProfile": file or None})
