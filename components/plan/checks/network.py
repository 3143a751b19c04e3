"""Names, ports, devices and transports: what the pods share with their node, their namespace and each other."""

import re
from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any

from components.accelerators import PROFILES
from components.config.problem import Problem
from components.config.ucx import BETWEEN_PODS, WITHIN_POD
from components.config.vocabulary import Role
from components.names import LIMIT
from components.plan import fabric
from components.plan.context import Context
from components.plan.worker_args import ResolvedTier
from components.plan.workers import Tiers

NODE_PORTS = {22: "ssh", 10248: "the kubelet", 10249: "kube-proxy", 10250: "the kubelet", 10256: "kube-proxy"}
"""Ports that every node already uses; they matter when pods are on its network."""

UCX_VERSION = "1.19"
"""UCX in the images of releases 0.4 and 0.6."""

WITHOUT_AUXILIARY: Mapping[str, str] = {"rc_mlx5": "rc_x", "rc_verbs": "rc_v"}
"""Transports that cannot set up their own connections, with the aliases that add the datagram transport for it
(openucx/ucx v1.19.0, src/ucp/core/ucp_context.c `ucp_tl_aliases`; ai-dynamo/nixl#1647)."""

SYSTEM_NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")


def check(context: Context, tiers: Tiers) -> Iterator[Problem]:
    """Find what the API server would refuse, and what would keep the pods from starting or transferring KV blocks."""
    yield from _names(context)
    yield from _buffer(context, tiers)
    for tier in tiers.values():
        yield from _ports(context, tier)
    for tier in tiers.values():
        yield from _devices(context, tier)
        yield from _transports(context, tier)


def _names(context: Context) -> Iterator[Problem]:
    settings = context.settings
    longest = context.names.longest(context.provider.service_suffix or "")
    if len(longest) > LIMIT:
        most = LIMIT - (len(longest) - len(settings.postfix))
        yield Problem(
            "serving.postfix",
            settings.postfix,
            f"makes names too long: {longest} has {len(longest)} characters, {LIMIT} are allowed",
            "the API server or the gateway controller would refuse the object half-way through the deployment",
            f"use at most {most} characters",
        )
    if settings.create_namespace and settings.namespace in SYSTEM_NAMESPACES:
        yield Problem(
            "serving.namespace",
            settings.namespace,
            "always exists, and serving.createNamespace asks to make it",
            "the deployment would stop with 'already exists'; were it adopted, destroy would delete it",
            "set serving.createNamespace: false, or choose a namespace of its own",
        )


def _ports(context: Context, tier: ResolvedTier) -> Iterator[Problem]:
    ports, both, role = context.settings.ports, "serving.ports", tier.role
    side_channel = range(ports.nixl, ports.nixl + tier.tensor_parallel)
    if side_channel[-1] > 65535:
        yield Problem(
            f"{both}.nixl",
            ports.nixl,
            f"is too high: the {role} pod's side channel uses {len(side_channel)} ports from there",
            "the last workers' side channels could not be opened, and vLLM would stop at start",
            f"use at most {65536 - len(side_channel)}",
        )
    taken: dict[str, range] = {}
    if tier.kv_transfer["kv_connector"] == fabric.MORIIO:
        bases = {"MoRI-IO's handshakes": fabric.HANDSHAKE, "MoRI-IO's notifications": fabric.NOTIFY}
        taken |= {name: range(port, port + tier.tensor_parallel) for name, port in bases.items()}
    fixed = {*taken}
    taken |= {"serving": range(ports.serving, ports.serving + 1), "nixl": side_channel}
    if role is Role.DECODE:
        taken["decodeVllm"] = range(ports.decode_vllm, ports.decode_vllm + 1)
    for (one, first), (other, second) in combinations(taken.items(), 2):
        clash = sorted(set(first) & set(second))
        if clash:
            yield Problem(
                f"{both}.{other}",
                second[0],
                f"collides with {one if one in fixed else f'{both}.{one}'} in the {role} pod: both use {clash[0]}"
                + (" (one side channel port per GPU)" if "nixl" in (one, other) else ""),
                "the second of the two to start could not bind, and restart without end",
                "give them ports apart; the guide's are 8000, 8200 and 5600",
            )
    if tier.host_network:
        for key, numbers in taken.items():
            for number in sorted(NODE_PORTS.keys() & set(numbers)):
                yield Problem(
                    f"{both}.{key}",
                    numbers[0],
                    f"uses {number}, which belongs to {NODE_PORTS[number]} on every node",
                    "with hostNetwork the worker could not bind, and restart without end",
                    "use another port; the guide's are 8000, 8200 and 5600",
                )


def _buffer(context: Context, tiers: Tiers) -> Iterator[Problem]:
    """Check the device in which NixlConnector buffers KV blocks; the devices of the user's images are unknown."""
    devices = context.accelerator.kv_buffer_devices
    for role, tier in tiers.items():
        given = tier.kv_transfer.get("kv_buffer_device", fabric.DEFAULT_BUFFER)
        own = context.tier(role).image
        if tier.kv_transfer["kv_connector"] == fabric.NIXL and given not in devices and own is None:
            yield Problem(
                fabric.kv_transfer_setting(context, role, "kv_buffer_device"),
                given,
                f"is not a device in which vLLM 0.11 to 0.17 buffers KV blocks on {context.settings.accelerator} GPUs",
                "vLLM would stop at start: `… kv_buffer is not supported`",
                f"use {' or '.join(devices)}, or delete it",
            )


def _devices(context: Context, tier: ResolvedTier) -> Iterator[Problem]:
    device = tier.device
    if device and device.resource == context.gpu_resource:
        path, _ = fabric.rdma_setting(context.settings, tier.role)
        yield Problem(
            f"{path}.resource",
            device.resource,
            f"is the GPU resource of serving.accelerator: {context.settings.accelerator}",
            "the pods would ask for GPUs under the name of an RDMA device, and KV blocks travel over TCP",
            "name the RDMA device that the network operator offers, such as rdma/ib",
        )


def _transports(context: Context, tier: ResolvedTier) -> Iterator[Problem]:
    role, path = tier.role, _path(context, tier.role, "tls")
    names = tier.ucx.get("UCX_TLS", "").split(",")
    if _own(context, role, "tls"):  # the list of an infrastructure fits its accelerators
        yield from _known_transports(context, tier, path, names)
        yield from _gpu_transports(context, tier, path, names)
    if names == [""]:
        return
    plain = _plain(names)
    between = plain & BETWEEN_PODS
    if names[0].startswith("^"):
        if plain & {"all", "tcp"} and not tier.rdma:
            yield Problem(
                path,
                ",".join(names),
                f"takes TCP out, and the {role} pods ask for no RDMA device",
                "UCX would have no transport between pods: every KV transfer would fail",
                f"take tcp out of the list, or set serving.rdma (or serving.{role}.rdma)",
            )
    elif not between and plain <= WITHIN_POD:
        yield Problem(
            path,
            ",".join(names),
            "names no transport between pods",
            "prefill and decode could not reach each other: every KV transfer would fail",
            "add rc or ud (RDMA), or tcp",
        )
    elif between and not plain & {"all", "tcp"} and not tier.rdma:
        yield Problem(
            path,
            ",".join(names),
            f"names RDMA transports only, and the {role} pods ask for no RDMA device",
            "UCX would find no device for them: every KV transfer would fail",
            f"set serving.rdma (or serving.{role}.rdma) or another serving.infrastructure, or add tcp",
        )
    elif between and between <= WITHOUT_AUXILIARY.keys() and plain <= WITHIN_POD | BETWEEN_PODS:
        alias = WITHOUT_AUXILIARY[min(between)]
        yield Problem(
            path,
            ",".join(names),
            f"names {', '.join(sorted(between))}, and no auxiliary transport that sets its connections up",
            "UCX would connect no two pods: a transport by its own name brings no auxiliary one, as its alias does",
            f"write {alias} instead, or add ud",
        )


def _known_transports(context: Context, tier: ResolvedTier, path: str, names: list[str]) -> Iterator[Problem]:
    """Names that the UCX of the release's images does not have; an image of the user's may have another UCX."""
    unknown = _unknown_transports(names)
    if unknown and context.tier(tier.role).image is None and context.release.known_ucx:
        release = context.release.name
        yield Problem(
            path,
            ",".join(names),
            f"names transports that UCX does not know: {', '.join(unknown)} (UCX {UCX_VERSION}, release {release})",
            "UCX would ignore them with a warning, and KV blocks would fall back to TCP or fail",
            "use names from `ucx_info -d`, such as rc, ud, tcp, sm, self, rocm, cuda_copy",
        )


def _gpu_transports(context: Context, tier: ResolvedTier, path: str, names: list[str]) -> Iterator[Problem]:
    """A list that keeps UCX from GPU memory, where UCX moves KV blocks out of GPU memory."""
    if not _moved_from_gpus_by_ucx(tier):
        return
    plain, excluding = _plain(names), names[0].startswith("^")
    alias, copy, *_ = context.accelerator.transports
    missing = plain & {alias, copy} if excluding else not plain & {"all", alias, copy}
    if missing:
        own = context.settings.accelerator
        others = [word for word, each in PROFILES.items() if word is not own and plain & {*each.transports}]
        yield Problem(
            path,
            ",".join(names),
            f"leaves UCX no transport for memory of {own} GPUs"
            + (
                f"; it has those of {' and '.join(others)}"
                if others and not excluding
                else f": {copy} alone tells what memory is a GPU's"
            ),
            "UCX would take KV blocks in GPU memory for host memory: the first transfer would fail or crash vLLM",
            f"take {alias} and {copy} out of the list" if excluding else f"add {alias}",
        )


def _moved_from_gpus_by_ucx(tier: ResolvedTier) -> bool:
    """Whether UCX moves KV blocks out of GPU memory: NIXL's default backend, NixlConnector's default buffer."""
    fields = tier.kv_transfer
    backends = fabric.connector_config(fields).get("backends", [fabric.UCX])
    return fields["kv_connector"] == fabric.NIXL and fabric.UCX in backends and fields.get("kv_buffer_device") != "cpu"


def notes(context: Context, tiers: Tiers) -> Iterator[str]:
    """Warn about settings that work on some clusters and not on others."""
    for role, tier in tiers.items():
        yield from _unknown(context, role)
        yield from _beside_the_fabric(context, tier)
        yield from _adapters(context, tier)


def _unknown(context: Context, role: Role) -> Iterator[str]:
    if unknown := _unknown_transports(_own(context, role, "tls") or []):
        yield (
            f"{_path(context, role, 'tls')} names {', '.join(unknown)}, which UCX {UCX_VERSION} (releases 0.4 and 0.6) "
            "does not have: `ucx_info -d` in the tier's own image shows whether it does; UCX ignores a name that it "
            "does not know"
        )


def _beside_the_fabric(context: Context, tier: ResolvedTier) -> Iterator[str]:
    role, names = tier.role, _own(context, tier.role, "tls")
    if not names or names[0].startswith("^") or _plain(names) & BETWEEN_PODS != {"tcp"}:
        return
    if device := tier.device:
        yield (
            f"{_path(context, role, 'tls')} names no RDMA transport: the pods hold {device.resource}, and KV blocks "
            "take TCP; add rc, or take the device out with serving.rdma"
        )
    if tier.host_network and not _own(context, role, "net_devices"):
        yield (
            f"{_path(context, role, 'net_devices')} is not set, and with hostNetwork UCX chooses among all interfaces "
            "of the node for TCP: docker0 or a CNI's bridge reaches no other node (openucx/ucx#9908); name the "
            'interface, such as eth0, or exclude the others: "^docker0,cni0"'
        )


def _adapters(context: Context, tier: ResolvedTier) -> Iterator[str]:
    role, device = tier.role, tier.device
    devices, index = _own(context, role, "net_devices"), _own(context, role, "ib_gid_index")
    if devices == ["all"] and (device or tier.host_network):
        yield (
            f"{_path(context, role, 'net_devices')}: all also takes the adapters of management and storage, and a "
            "DPU's, where a node has them; name the fabric's, such as mlx5_0:1"
        )
    if not device or not device.network or device.one_attachment:
        return
    differ = "differs from pod to pod on the secondary network of serving.rdma.network"
    if any(re.search(r":\d+$", name) and "[" not in name for name in devices or []):
        yield (
            f"{_path(context, role, 'net_devices')} fixes the name of an adapter, which {differ}: leave it unset, or "
            'name a range, such as "mlx5_[0-3]:1"'
        )
    if isinstance(index, int):
        yield f"{_path(context, role, 'ib_gid_index')} fixes the GID index, which {differ}: leave it unset, or use auto"


def _own(context: Context, role: Role, field: str) -> Any:
    """Return the user's UCX setting for a tier; the tier's has priority over the stack's."""
    own = getattr(context.tier(role).ucx, field)
    return getattr(context.settings.ucx, field) if own is None else own


def _path(context: Context, role: Role, field: str) -> str:
    ucx = context.tier(role).ucx
    scope = "serving.ucx" if getattr(ucx, field) is None else f"serving.{role}.ucx"
    return f"{scope}.{type(ucx).model_fields[field].alias}"


def _unknown_transports(names: list[str]) -> list[str]:
    """Return the names that the UCX of the releases' images does not have."""
    return sorted(_plain(names) - WITHIN_POD - BETWEEN_PODS)


def _plain(names: list[str]) -> set[str]:
    """Names of transports without UCX's marks: `^` of the first, `\\`, `:aux` and `:init`."""
    return {name.removeprefix("^").removeprefix("\\").split(":")[0] for name in names}
