"""What lets RDMA lock memory: the capability IPC_LOCK of the containers, or the limit of the nodes."""

from collections.abc import Iterator, Mapping

from components.config.vocabulary import Capability, LockedMemory, Role
from components.plan.context import Context
from components.plan.worker_args import ResolvedTier

_OUTCOME = (
    "where a container may lock little memory, UCX says \"Please set max locked memory (ulimit -l) to 'unlimited'\", "
    "and KV blocks take TCP or nothing"
)
_LIMIT = "LimitMEMLOCK=infinity for the nodes' container runtime"


def demanded(context: Context, role: Role) -> bool:
    """Whether the settings or the infrastructure want IPC_LOCK, whatever user the image has."""
    said = context.settings.security.locked_memory
    if said is LockedMemory.AUTO:
        return Capability.IPC_LOCK in context.infrastructure.capabilities and not _own(context, role)
    return said is LockedMemory.CAPABILITY


def capabilities(context: Context, role: Role, image_user: int | None, *, device: bool) -> list[str]:
    """Linux capabilities of a tier: its own list, or the infrastructure's; the mode's; and IPC_LOCK.

    `image_user` is None where the image is the user's own; `device` says whether the pods ask for an RDMA device.
    """
    said, own = context.settings.security.locked_memory, _own(context, role)
    given = {*(context.tier(role).capabilities if own else context.infrastructure.capabilities)}
    if said is LockedMemory.NODE and not own:
        given.discard(Capability.IPC_LOCK)
    effective = device and image_user == 0 and not own and not context.infrastructure.node_memory
    if said is LockedMemory.CAPABILITY or (said is LockedMemory.AUTO and effective):
        given.add(Capability.IPC_LOCK)
    return sorted({each.value for each in (*given, *context.mode.capabilities)})


def _own(context: Context, role: Role) -> bool:
    return "capabilities" in context.tier(role).model_fields_set


def warnings(context: Context, tiers: Mapping[Role, ResolvedTier]) -> Iterator[str]:
    """Capabilities without effect, and RDMA that depends on a limit of the nodes."""
    inert = [tier for tier in tiers.values() if tier.capabilities and tier.user]
    if inert:
        yield (
            f"{', '.join(inert[0].capabilities)} of {_workers(inert)} has no effect: {_runs(context, inert[0])}, and "
            "an added capability reaches root only (kubernetes/kubernetes#56374). RDMA then depends on the nodes: "
            f"{_OUTCOME}. Ways out: {_LIMIT}; `pulumi config set --path serving.security.runAsUser 0`; "
            "an image that runs as root"
        )
    if context.settings.security.locked_memory is not LockedMemory.AUTO or context.infrastructure.node_memory:
        return
    limited = [tier for tier in tiers.values() if tier.device and tier.user and not tier.capabilities]
    if limited:
        yield (
            f"RDMA of {_workers(limited)} depends on how much memory the nodes let a container lock: "
            f"{_runs(context, limited[0])}, whom IPC_LOCK does not reach; {_OUTCOME}. Ways out: {_LIMIT}, then "
            "`pulumi config set --path serving.security.lockedMemory node` ends this warning; "
            "`pulumi config set --path serving.security.lockedMemory capability`, with which vLLM runs as root; "
            "an image that runs as root"
        )


def _workers(tiers: list[ResolvedTier]) -> str:
    return f"the {' and '.join(each.role for each in tiers)} workers"


def _runs(context: Context, tier: ResolvedTier) -> str:
    said = f"the images of {context.settings.accelerator} run" if tier.run_as_user is None else "vLLM is to run"
    return f"{said} as user {tier.user}"
