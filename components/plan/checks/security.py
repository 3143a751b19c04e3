"""Settings of `security` and rights of vLLM's container that contradict each other, or that would do nothing."""

from collections.abc import Iterator
from typing import Any

from components.config.problem import Problem
from components.config.vocabulary import Capability, LockedMemory, PodSecurity, SecurityLevel
from components.plan.context import Context
from components.plan.pod_rights import of_worker
from components.plan.pod_security import refused_by
from components.plan.worker_args import ResolvedTier
from components.plan.workers import Tiers

TMP = "/tmp"


def check(context: Context, tiers: Tiers) -> Iterator[Problem]:
    """Locked memory for a user without capabilities, policies that are not made, an unknown load balancer, pods that
    the chosen level of Pod Security refuses."""
    yield from _pod_security(context, tiers)
    for tier in tiers.values():
        yield from _container(context, tier)
    security, provider = context.settings.security, context.provider
    if security.locked_memory is LockedMemory.CAPABILITY and security.run_as_user:
        yield Problem(
            "serving.security.lockedMemory",
            security.locked_memory.value,
            f"gives IPC_LOCK to vLLM, which serving.security.runAsUser makes user {security.run_as_user}",
            "an added capability reaches root only (kubernetes/kubernetes#56374): RDMA could lock no memory",
            "`pulumi config rm --path serving.security.runAsUser`, or `pulumi config set --path "
            "serving.security.lockedMemory node` where the nodes' limit is high enough",
        )
    written: dict[str, Any] = security.model_dump(mode="json")
    if security.level is SecurityLevel.STANDARD:
        for field in ("monitoring_namespace", "gateway_ranges"):
            if written[field]:
                path = f"serving.security.{type(security).model_fields[field].alias}"
                yield Problem(
                    path,
                    written[field],
                    "is about NetworkPolicies, and serving.security.level: standard makes none",
                    "it would be ignored silently, and everybody in the cluster could reach the pods",
                    f"`pulumi config set --path serving.security.level locked`, or `pulumi config rm --path {path}`",
                )
    elif provider.service_suffix is None and not security.gateway_ranges:
        yield Problem(
            "serving.security.gatewayRanges",
            None,
            f"is required with serving.gateway.provider: {provider.word} and serving.security.level: locked: its "
            "load balancer is outside the cluster, and no label selects it",
            "the policies would keep every request from picker and workers",
            "name the VPC's proxy-only subnet, such as [10.129.0.0/23]: `gcloud compute networks subnets list "
            "--filter=purpose=REGIONAL_MANAGED_PROXY`",
        )


def _pod_security(context: Context, tiers: Tiers) -> Iterator[Problem]:
    level = context.settings.security.pod_security
    if level is None:
        return
    path = "serving.security.podSecurity"
    found = {role: refused_by(level, of_worker(tier)) for role, tier in tiers.items()}
    fields = [f"{each.field} of {role} ({each.what})" for role, several in found.items() for each in several]
    if fields:
        locks = any(tier.capabilities == [Capability.IPC_LOCK] for tier in tiers.values())
        node = "; `pulumi config set --path serving.security.lockedMemory node` takes IPC_LOCK away" if locks else ""
        yield Problem(
            path,
            level.value,
            f"does not admit the workers: {', '.join(fields)}",
            "the API server would refuse every one of these pods: the Deployments would stay without any",
            f"`pulumi config rm --path {path}`, or take away what asks for these rights{node}",
        )
        return
    rooted = [role for role, tier in tiers.items() if tier.user == 0 and level is PodSecurity.RESTRICTED]
    if rooted:
        yield Problem(
            path,
            level.value,
            f"lets no container run as root, and the {' and '.join(rooted)} images of "
            f"{context.settings.accelerator} do",
            "the kubelet would start none of them: CreateContainerConfigError until the timeout",
            f"`pulumi config set --path {path} baseline`; or an image that runs as another user, or "
            "serving.security.runAsUser with a user that your image works with",
        )


def _container(context: Context, tier: ResolvedTier) -> Iterator[Problem]:
    """What the kubelet, the API server or the container runtime would refuse or undo."""
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
