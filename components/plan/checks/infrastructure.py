"""Infrastructure against accelerator, release, host-network mode and what the settings put over it."""

import json
from collections.abc import Iterator

from components.config.problem import Hidden, Problem
from components.config.vocabulary import Capability, LockedMemory, Role
from components.config.wording import path_of
from components.gateways import on
from components.infrastructures import Fabric
from components.plan.context import Context
from components.plan.fabric import MULTUS, UCX, connector_config, kv_transfer_setting, rdma_setting
from components.plan.worker_args import ResolvedTier
from components.plan.workers import Tiers


def check(context: Context, tiers: Tiers) -> Iterator[Problem]:
    """Clusters that do not exist, and devices, networks and rights that contradict the infrastructure."""
    yield from _image(context)
    if context.settings.infrastructure is not None:
        yield from _cluster(context)
    for role, tier in tiers.items():
        yield from _rdma(context, role)
        yield from _attachments(context, tier)
        yield from _capabilities(context, tier)
    if context.infrastructure.fabric is Fabric.EFA:
        yield from _ucx(context, tiers)


def notes(context: Context, tiers: Tiers) -> Iterator[str]:
    """NIXL's backends against the fabric."""
    for role in Role:
        if context.infrastructure.fabric is Fabric.EFA and _ucx_is_chosen({role: tiers[role]}):
            yield (
                f"{kv_transfer_setting(context, role, 'kv_connector_extra_config')}: the backend UCX reaches EFA by "
                "copies through the host only (ai-dynamo/nixl#909); LIBFABRIC is the infrastructure's"
            )
        (path, given), device = rdma_setting(context.settings, role), context.infrastructure.device
        if not (given and device and device.shared):
            continue
        if given.count not in (None, 1) and given.resource in (None, device.resource):
            yield (
                f"{path}.count is {given.count}, and {device.resource} of serving.infrastructure: "
                f"{context.settings.infrastructure} is shared: one shows a pod every adapter, and more use up the "
                "device plugin's handles"
            )


def _image(context: Context) -> Iterator[Problem]:
    settings, there = context.settings, context.accelerator.images
    if settings.release not in there and not context.infrastructure.images and not context.own_images:
        yield Problem(
            "serving.release",
            settings.release.value,
            f"has no vLLM image for serving.accelerator: {settings.accelerator}",
            "workers would start an image of another release, which has other flags",
            f'set serving.release: "{max(there)}", or images of your own: serving.prefill.image and '
            "serving.decode.image",
        )


def _cluster(context: Context) -> Iterator[Problem]:
    settings, chosen = context.settings, context.infrastructure
    said = f"serving.infrastructure: {settings.infrastructure}"
    if not chosen.has(settings.accelerator):
        there = "; ".join(f"{vendor}: {what}" for vendor, what in chosen.only.items())
        yield Problem(
            "serving.infrastructure",
            str(settings.infrastructure),
            f"has nothing for serving.accelerator: {settings.accelerator} ({there})",
            "workers would ask for devices, networks or transports that go with other GPUs, and stay Pending or not "
            "find each other",
            f"{chosen.otherwise}, or serving.accelerator: {' or '.join(chosen.only)}",
        )
    provider = context.provider
    platform = provider.platform
    if platform and chosen.platform and platform is not chosen.platform:
        others = " or ".join(on(chosen.platform, settings.release))
        yield Problem(
            "serving.gateway.provider",
            provider.word.value,
            f"is {platform}'s own, and {said} is {chosen.platform}",
            "no controller of that cluster would take the Gateway: it would never be programmed",
            f"set serving.gateway.provider: {others}, or the infrastructure that the cluster has",
        )
    if not chosen.runs(settings.release) and not context.own_images:
        yield Problem(
            "serving.release",
            settings.release.value,
            f"has no vLLM image for {said}",
            "workers would start an image without this fabric's library, and no KV block would be transferred",
            f'set serving.release: "{max(chosen.images)}", or images of your own: serving.prefill.image and '
            "serving.decode.image",
        )
    if context.mode.host_network and chosen.not_on_host_network:
        yield Problem(
            "serving.hostNetwork",
            True,
            f"cannot work with {said}: {chosen.not_on_host_network}",
            "the workers would be refused, or come up without an adapter",
            "set serving.hostNetwork: false",
        )
    if chosen.whole_node and settings.gpus_per_node != chosen.whole_node.gpus:
        yield Problem(
            "serving.gpusPerNode",
            settings.gpus_per_node,
            f"is not the {chosen.whole_node.gpus} GPUs that a node has with {said}",
            "a worker is given all adapters of its node, and so must request all of its GPUs, no fewer and no more",
            f"`pulumi config rm --path serving.gpusPerNode`, or set it to {chosen.whole_node.gpus}",
        )


def _rdma(context: Context, role: Role) -> Iterator[Problem]:
    settings, chosen = context.settings, context.infrastructure
    path, given = rdma_setting(context.settings, role)
    said = f"serving.infrastructure: {settings.infrastructure}"
    if given is None:
        if path != "serving.rdma" and chosen.fabric is not Fabric.TCP:
            yield Problem(
                path,
                None,
                f"takes the {role} tier off the fabric of {said}",
                "a transfer needs both ends: every KV block would go over TCP, while the other tier holds its devices",
                f"`pulumi config rm --path {path}`; for TCP on both, set serving.infrastructure: none",
            )
    elif settings.infrastructure is not None and chosen.device is None:
        yield Problem(
            path,
            given.model_dump(by_alias=True, exclude_none=True),
            f"asks for an RDMA device, and {said} {chosen.adapters}",
            "no node offers the device: the workers would stay Pending",
            f"`pulumi config rm --path {path}`, or choose the infrastructure that offers it",
        )
    elif chosen.device is None and given.resource is None:
        yield Problem(
            f"{path}.resource",
            Hidden(),
            "is not set, and no serving.infrastructure says it",
            "the workers would ask for no device at all, and KV blocks travel over TCP",
            "name the device that the network operator offers, such as rdma/ib, or set serving.infrastructure",
        )


def _attachments(context: Context, tier: ResolvedTier) -> Iterator[Problem]:
    """The user's own list of networks against the devices that come with them."""
    role, device, own = tier.role, tier.device, context.tier(tier.role).annotations.get(MULTUS)
    if own is None or device is None or device.network is None or device.one_attachment:
        return
    try:
        listed = len(json.loads(own))
    except (ValueError, TypeError):  # TypeError: one network with a number as its name
        listed = len(own.split(","))
    if listed != device.count:
        yield Problem(
            path_of([role.value, "annotations", MULTUS]),
            own,
            f"attaches {listed} networks, and each {role} pod asks for {device.count} {device.resource}",
            "Multus moves one device into the pod per attachment: the pods would not start, or use some of the devices",
            "delete it (the program writes one attachment of serving.rdma.network for each device), or set "
            "serving.rdma.count",
        )


def _capabilities(context: Context, tier: ResolvedTier) -> Iterator[Problem]:
    role, lock = tier.role, Capability.IPC_LOCK
    by_nodes = context.settings.security.locked_memory is LockedMemory.NODE
    if lock in context.infrastructure.capabilities and lock not in tier.capabilities and not by_nodes:
        yield Problem(
            f"serving.{role}.capabilities",
            tier.capabilities,
            f"has no IPC_LOCK, and takes the place of the list of infrastructure {context.settings.infrastructure}",
            f"{context.infrastructure.capabilities[lock]}: the {role} workers would find no memory to register",
            "add IPC_LOCK, or delete the list; where the nodes let containers lock memory, `pulumi config set --path "
            "serving.security.lockedMemory node`",
        )


def _ucx(context: Context, tiers: Tiers) -> Iterator[Problem]:
    """UCX variables where NIXL does not use UCX."""
    if _ucx_is_chosen(tiers):
        return
    scopes = {"serving.ucx": context.settings.ucx, **{f"serving.{role}.ucx": context.tier(role).ucx for role in Role}}
    for path, ucx in scopes.items():
        for key, value in ucx.model_dump(by_alias=True, exclude_none=True, mode="json").items():
            yield Problem(
                f"{path}.{key}",
                value,
                f"is for UCX, and with serving.infrastructure: {context.settings.infrastructure} NIXL uses libfabric",
                "it would be ignored",
                f"`pulumi config rm --path {path}.{key}`; libfabric's own variables (FI_…) go into the tiers' env",
            )


def _ucx_is_chosen(tiers: Tiers) -> bool:
    """Whether UCX is among NIXL's backends in a tier."""
    return any(UCX in connector_config(tier.kv_transfer).get("backends", []) for tier in tiers.values())
