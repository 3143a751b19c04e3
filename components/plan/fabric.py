"""What the infrastructure brings into a worker, and what the stack's settings put over it, field by field."""

import json
from typing import Any

from components.args import TolerationArgs
from components.config.vocabulary import Role
from components.infrastructures import Device
from components.plan.context import Context
from components.plan.worker_args import HostPathArgs

NIXL, UCX = "NixlConnector", "UCX"
"""vLLM's connector that moves KV blocks by NIXL, and NIXL's backend unless the connector names others."""

MULTUS = "k8s.v1.cni.cncf.io/networks"
"""Annotation that Multus reads."""


def annotations(context: Context, role: Role) -> dict[str, str]:
    """Annotations of a tier's pods, with as many networks as the pod asks for devices."""
    theirs = {key: each.value for key, each in context.infrastructure.annotations.items()}
    device = context.device(role)
    if device and device.network:
        theirs[MULTUS] = networks(device, context.tensor_parallel(role))
    return {**theirs, **context.tier(role).annotations}


def networks(device: Device, gpus: int) -> str:
    """The attachments of a device's network, as Multus reads them."""
    if device.one_attachment:
        return str(device.network)
    namespace, _, name = str(device.network).rpartition("/")
    network = {"name": name, "namespace": namespace} if namespace else {"name": name}
    attached = [{**network, "interface": f"net{index + 1}"} for index in range(device.amount(gpus))]
    return json.dumps(attached, separators=(",", ":"))


def env(context: Context, role: Role) -> dict[str, str]:
    """Further variables of a tier."""
    theirs = {name: each.value for name, each in context.infrastructure.env.items()}
    return dict(sorted({**theirs, **context.tier(role).env}.items()))


def kv_transfer(context: Context) -> dict[str, Any]:
    """Further fields of `--kv-transfer-config`: the settings' over the infrastructure's, also within an object."""
    merged = dict(context.settings.kv_transfer.extra)
    for name, (theirs, _) in context.infrastructure.kv_transfer.items():
        own = merged.get(name, {})
        merged[name] = {**theirs, **own} if isinstance(own, dict) else own
    return merged


def moved_by_ucx_from_gpus(context: Context) -> bool:
    """Whether UCX moves KV blocks out of GPU memory: NIXL's default backend, NixlConnector's default buffer."""
    fields = kv_transfer(context)
    extra = fields.get("kv_connector_extra_config")
    backends = extra.get("backends", [UCX]) if isinstance(extra, dict) else [UCX]
    nixl = context.settings.kv_transfer.connector == NIXL
    return nixl and UCX in backends and fields.get("kv_buffer_device") != "cpu"


def capabilities(context: Context, role: Role) -> set[str]:
    """Linux capabilities of a tier: its own list, or the infrastructure's."""
    tier = context.tier(role)
    own = "capabilities" in tier.model_fields_set
    return {each.value for each in (tier.capabilities if own else context.infrastructure.capabilities)}


def host_paths(context: Context, role: Role) -> list[HostPathArgs]:
    """Files of the node: the tier's beside the infrastructure's, by mount path."""
    theirs = [
        HostPathArgs(host_path=each.host_path, mount_path=each.mount_path, type=each.type, read_only=each.read_only)
        for each in context.infrastructure.host_files
    ]
    own = [
        HostPathArgs(
            host_path=each.host_path, mount_path=each.mount_path, type=each.type or "", read_only=each.read_only
        )
        for each in context.tier(role).host_paths
    ]
    taken = {each.mount_path for each in own}
    return [each for each in theirs if each.mount_path not in taken] + own


def node_selector(context: Context, role: Role) -> dict[str, str]:
    """Labels of a tier's nodes."""
    theirs = {key: each.value for key, each in context.infrastructure.node_selector.items()}
    return {**theirs, **context.tier(role).node_selector}


def tolerations(context: Context, role: Role) -> list[TolerationArgs]:
    """Taints that a tier accepts."""
    gpu = TolerationArgs(key=context.accelerator.gpu_resource, effect="NoSchedule")
    own = [TolerationArgs(**each.model_dump()) for each in context.tier(role).tolerations]
    return [gpu, *own] if context.infrastructure.tolerates_gpu_taint and gpu not in own else own


def image(context: Context) -> str:
    """The release's vLLM image: the infrastructure's where it has one, else the accelerator's."""
    release = context.settings.release
    theirs = context.infrastructure.images.get(release)
    return theirs.value if theirs else context.accelerator.images[release]
