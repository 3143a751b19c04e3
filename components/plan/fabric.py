"""What infrastructure and settings give a worker, field by field: the tier's value wins, then the infrastructure's."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from components.accelerators import Image
from components.args import TolerationArgs
from components.config.settings import Serving
from components.config.tiers import HostPath, KvTransfer, Rdma
from components.config.vocabulary import Role
from components.infrastructures import Device, Fabric
from components.infrastructures.profile import HostFile
from components.plan.context import Context
from components.plan.worker_args import DeviceArgs, HostPathArgs
from components.releases.release import APART, BOTH
from components.releases.vllm import ROLES_SINCE, vllm_of

NIXL = "NixlConnector"

MORIIO = "MoRIIOConnector"
"""vLLM's connector that moves KV blocks by AMD's MoRI-IO; the prefill worker writes them into decode's memory."""

HANDSHAKE = 6301
NOTIFY = 61005
"""First ports of MoRI-IO, one for each GPU from there on (llm-d/llm-d d557f83e,
guides/pd-disaggregation/modelserver/amd/vllm/moriio/base; vllm-project/vllm, …/v1/moriio/moriio_common.py)."""

UCX = "UCX"

DEFAULT_BUFFER = "cuda"
"""`kv_buffer_device` of vLLM on CUDA and ROCm (vllm/config/kv_transfer.py)."""

MULTUS = "k8s.v1.cni.cncf.io/networks"


def rdma_setting(settings: Serving, role: Role) -> tuple[str, Rdma | None]:
    """The settings of a tier's RDMA device and their path: the tier's own, `null` included, otherwise the stack's."""
    tier = settings.prefill if role is Role.PREFILL else settings.decode
    own = "rdma" in tier.model_fields_set
    return (f"serving.{role}.rdma", tier.rdma) if own else ("serving.rdma", settings.rdma)


def device(context: Context, role: Role, gpus: int) -> DeviceArgs | None:
    """RDMA devices of a pod with so many GPUs: fields of the settings, otherwise those of the infrastructure."""
    (_, given), profile = rdma_setting(context.settings, role), context.infrastructure.device
    resource = (given.resource if given else None) or (profile.resource if profile else None)
    if context.mode.privileged or resource is None:
        return None
    found = replace(profile or Device(resource), resource=resource)
    if given and given.network is not None:
        found = replace(found, network=given.network)
    if given and given.count is not None:
        per_gpu = given.count == "tensorParallel"
        found = replace(found, count=1 if isinstance(given.count, str) else given.count, per_gpu=per_gpu)
    return DeviceArgs(
        resource=resource,
        count=found.amount(gpus),
        network=found.network,
        one_attachment=found.one_attachment,
    )


def rdma(context: Context, device: DeviceArgs | None) -> bool:
    """Whether RDMA reaches a tier's pods: by a device, by what the infrastructure attaches, or by privilege."""
    return device is not None or context.infrastructure.fabric is not Fabric.TCP or context.mode.privileged


def annotations(context: Context, device: DeviceArgs | None) -> dict[str, str]:
    """The program's annotations of a tier's pods, with as many networks as the pod asks for devices."""
    profile = {key: each.value for key, each in context.infrastructure.annotations.items()}
    if device and device.network:
        profile[MULTUS] = _attachments(device, device.network)
    return profile


def _attachments(device: DeviceArgs, network: str) -> str:
    if device.one_attachment:
        return network
    namespace, _, name = network.rpartition("/")
    one = {"name": name, "namespace": namespace} if namespace else {"name": name}
    listed = [{**one, "interface": f"net{index + 1}"} for index in range(device.count)]
    return json.dumps(listed, separators=(",", ":"))


def env(context: Context, role: Role) -> dict[str, str]:
    """Further variables of a tier. The tier's value wins, then the infrastructure's, then the accelerator's."""
    profile = {name: each.value for name, each in context.infrastructure.env.items()}
    every = {**context.release.worker_env, **context.accelerator.env, **profile, **context.tier(role).env}
    return {name: value for name, value in sorted(every.items()) if isinstance(value, str)}


def kv_transfer(context: Context, role: Role) -> dict[str, Any]:
    """`--kv-transfer-config` of a tier. The tier's field wins, then the stack's, then the infrastructure's."""
    stack, tier = context.settings.kv_transfer, context.tier(role).kv_transfer
    connector = tier.connector or stack.connector or NIXL
    basic = {"kv_connector": connector, "kv_role": kv_role(context, role, connector), **_said(stack), **_said(tier)}
    fields = {**basic, **({} if tier.connector else stack.extra), **tier.extra}
    if own := _in_config(context, role, connector):
        fields["kv_connector_extra_config"] = {**own, **connector_config(fields)}
    within = nixl(fields)
    if within is None or within is fields:
        return _completed(context, fields)
    config = connector_config(fields)
    connectors = [_completed(context, each) if each is within else each for each in config["connectors"]]
    return {**fields, "kv_connector_extra_config": {**config, "connectors": connectors}}


def moriio(context: Context, connector: str) -> bool:
    """Whether the tiers transfer by MoRI-IO as the release's routing sidecar knows it."""
    return connector == MORIIO and f"kvTransfer.connector={MORIIO}" not in context.release.lacks


def _said(given: KvTransfer) -> dict[str, Any]:
    return {"kv_load_failure_policy": given.failure_policy.value} if given.failure_policy else {}


def _in_config(context: Context, role: Role, connector: str) -> dict[str, Any]:
    """Fields of `kv_connector_extra_config` that have settings of their own, and those that MoRI-IO needs."""
    stack, tier = context.settings.kv_transfer, context.tier(role).kv_transfer
    lease, backends = tier.lease_seconds or stack.lease_seconds, tier.backends or stack.backends
    fields: dict[str, Any] = {"kv_lease_duration": lease} if lease else {}
    if backends:
        fields["backends"] = backends
    if moriio(context, connector):
        ports = {"http_port": context.vllm_port(role), "handshake_port": HANDSHAKE, "notify_port": NOTIFY}
        fields |= {name: str(port) for name, port in ports.items()}
    return fields


def kv_role(context: Context, role: Role, connector: str = NIXL) -> str:
    """`kv_role` of a tier in its release; of an image of the user's, by the version of vLLM in its tag."""
    if moriio(context, connector):  # MoRI-IO has no other mode
        return APART[role]
    own = context.tier(role).image
    version = vllm_of(own) if own else None
    if version is None:
        return context.release.kv_roles[role]
    return APART[role] if version >= ROLES_SINCE else BOTH


def _completed(context: Context, connector: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a connector with what accelerator and infrastructure add to those that are not given."""
    devices = context.accelerator.kv_buffer_devices
    fields = dict(connector)
    if fields["kv_connector"] == NIXL and DEFAULT_BUFFER not in devices:
        fields.setdefault("kv_buffer_device", devices[0])
    for name, (profile, _) in context.infrastructure.kv_transfer.items():
        own = fields.get(name, {})
        fields[name] = {**profile, **own} if isinstance(own, dict) else own
    return fields


def kv_transfer_setting(context: Context, role: Role, field: str) -> str:
    """The setting that decides a field of a tier's `--kv-transfer-config`."""
    tier = context.tier(role).kv_transfer
    if field == "kv_connector_extra_config" and (tier.backends or context.settings.kv_transfer.backends):
        return f"serving.{role}.kvTransfer.backends" if tier.backends else "serving.kvTransfer.backends"
    own = tier.connector is not None or field in tier.extra
    path = f"serving.{role}.kvTransfer" if own else "serving.kvTransfer"
    return f"{path}.connector" if field == "kv_connector" else f"{path}.extra.{field}"


def connector_config(kv_transfer: Mapping[str, Any]) -> Mapping[str, Any]:
    """Fields of `kv_connector_extra_config`; what is not an object has none."""
    extra = kv_transfer.get("kv_connector_extra_config")
    return extra if isinstance(extra, dict) else {}


def nixl(kv_transfer: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Fields of NixlConnector, alone or among the connectors of a MultiConnector; None: NIXL moves no KV blocks."""
    within = connector_config(kv_transfer).get("connectors") or []
    every = [kv_transfer, *(each for each in within if isinstance(each, dict))]
    return next((each for each in every if each.get("kv_connector") == NIXL), None)


def host_paths(context: Context, role: Role) -> list[HostPathArgs]:
    """Files of the node: the tier's, and those of the infrastructure at mount paths that the tier does not use."""
    tier = context.tier(role)
    taken = {each.mount_path for each in tier.host_paths} | {each.mount_path for each in tier.volumes}
    profile = (each for each in context.infrastructure.host_files if each.mount_path not in taken)
    files: list[HostFile | HostPath] = [*profile, *tier.host_paths]
    return [
        HostPathArgs(
            host_path=each.host_path, mount_path=each.mount_path, type=each.type or "", read_only=each.read_only
        )
        for each in files
    ]


def node_selector(context: Context, role: Role) -> dict[str, str]:
    """Labels of a tier's nodes."""
    profile = {key: each.value for key, each in context.infrastructure.node_selector.items()}
    return {**profile, **context.tier(role).node_selector}


def tolerations(context: Context, role: Role) -> list[TolerationArgs]:
    """Taints that a tier accepts."""
    own = [TolerationArgs(**each.model_dump()) for each in context.tier(role).tolerations]
    if not context.infrastructure.tolerates_gpu_taint:
        return own
    # A node with partitioned or shared GPUs keeps the taint of the vendor's usual name.
    names = dict.fromkeys((context.accelerator.gpu_resource, context.gpu_resource))
    gpus = [TolerationArgs(key=name, effect="NoSchedule") for name in names]
    return [*(each for each in gpus if each not in own), *own]


def image(context: Context) -> Image:
    """The release's vLLM image: the infrastructure's where it has one, else the accelerator's.

    A release without an image is refused. Until the checks have run, another release's image stands in for it.
    """
    release, own = context.settings.release, context.accelerator.images
    return context.infrastructure.images.get(release) or own.get(release) or next(iter(own.values()))
