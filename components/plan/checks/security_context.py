"""Rights of vLLM's container that contradict each other."""

from collections.abc import Iterator

from components.config.problem import Problem
from components.config.vocabulary import LockedMemory
from components.plan.context import Context
from components.plan.worker_args import ResolvedTier
from components.plan.workers import Tiers

TMP = "/tmp"


def check(context: Context, tiers: Tiers) -> Iterator[Problem]:
    """What the kubelet, the API server or the container runtime would refuse or undo."""
    for tier in tiers.values():
        yield from _check(context, tier)


def _check(context: Context, tier: ResolvedTier) -> Iterator[Problem]:
    path, confinement = f"serving.{tier.role}.securityContext", tier.confinement
    given = context.tier(tier.role).security_context
    if given.run_as_non_root and tier.user == 0:
        yield Problem(
            f"{path}.runAsNonRoot",
            True,
            "is set, and vLLM runs as root"
            + (" as its image says" if tier.run_as_user is None else " (runAsUser 0, or what needs it for RDMA)"),
            "the kubelet would start no container: `container has runAsNonRoot and image will run as root`",
            f"set {path}.runAsUser to another user, and serving.security.lockedMemory: node where RDMA needs root",
        )
    if confinement.allow_privilege_escalation is False and tier.privileged:
        yield Problem(
            f"{path}.allowPrivilegeEscalation",
            False,
            f"contradicts {context.mode.setting}, which makes containers privileged",
            "the API server would refuse the Deployment: `cannot set allowPrivilegeEscalation to false and privileged "
            "to true`",
            f"`pulumi config rm --path {path}.allowPrivilegeEscalation`, or set serving.hostNetwork: false",
        )
    if both := sorted({*confinement.drop_capabilities} & {*tier.capabilities}):
        yield Problem(
            f"{path}.dropCapabilities",
            confinement.drop_capabilities,
            f"takes away {', '.join(both)}, which the worker has from its capabilities, from "
            "serving.security.lockedMemory or from the infrastructure",
            "the container runtime takes it away in the end, and RDMA could lock no memory",
            "drop ALL instead, or only others",
        )
    if context.settings.security.locked_memory is LockedMemory.CAPABILITY and given.run_as_user:
        yield Problem(
            f"{path}.runAsUser",
            given.run_as_user,
            "is not root, and serving.security.lockedMemory: capability gives IPC_LOCK to vLLM",
            "an added capability reaches root only (kubernetes/kubernetes#56374): RDMA could lock no memory",
            f"`pulumi config rm --path {path}.runAsUser`, or `pulumi config set --path serving.security.lockedMemory "
            "node` where the nodes' limit is high enough",
        )


def notes(tiers: Tiers) -> Iterator[str]:
    """Read-only images without a folder for temporary files."""
    for tier in tiers.values():
        if tier.confinement.read_only_root_filesystem and TMP not in tier.mounted:
            yield (
                f"serving.{tier.role}.securityContext.readOnlyRootFilesystem: vLLM and its libraries write to {TMP}, "
                f"and no volume is mounted there: serving.{tier.role}.volumes with "
                f"{{name: tmp, mountPath: {TMP}, emptyDir: {{}}}}"
            )
