"""Settings of `security` that contradict each other, or that would do nothing."""

from collections.abc import Iterator
from typing import Any

from components.config.problem import Problem
from components.config.vocabulary import LockedMemory, SecurityLevel
from components.plan.context import Context


def check(context: Context) -> Iterator[Problem]:
    """Locked memory for a user without capabilities, policies that are not made, an unknown load balancer."""
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
                    "it would be ignored without a word, and everybody in the cluster could reach the pods",
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
