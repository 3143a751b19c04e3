"""GPUs, tensor parallelism and what host-network mode decides."""

from collections.abc import Iterator

from components.config.problem import Problem
from components.config.vocabulary import Role
from components.plan.context import Context
from components.plan.fabric import nixl, rdma_setting
from components.plan.workers import Tiers


def check(context: Context, tiers: Tiers) -> Iterator[Problem]:
    """Layouts that no node can hold or no KV transfer can serve."""
    if context.mode.whole_node:
        yield from _contradicted(context, tiers)
        return
    per_node = context.settings.gpus_per_node
    for role, tier in tiers.items():
        gpus = tier.tensor_parallel
        path = f"serving.{role}.tensorParallel"
        if gpus > per_node:
            yield Problem(
                path,
                gpus,
                f"is more than the {per_node} GPUs of a node (serving.gpusPerNode)",
                f"the {role} pods would stay Pending: no node has {gpus} {context.gpu_resource}",
                f"use at most {per_node}, or set serving.gpusPerNode to what a node really has",
            )
    prefill, decode = tiers[Role.PREFILL].tensor_parallel, tiers[Role.DECODE].tensor_parallel
    if _odd_pair(context, tiers) and nixl(tiers[Role.DECODE].kv_transfer) is not None and not context.own_images:
        either = "multiple or a divisor" if context.release.wider_prefill else "multiple"
        yield Problem(
            "serving.decode.tensorParallel",
            decode,
            f"is not a {either} of serving.prefill.tensorParallel ({prefill})",
            "NIXL splits KV heads among whole ranks, and vLLM of release "
            f"{context.release.name} fetches from no other layout: the first transfer would fail",
            f"use a multiple of {prefill} for decode, or a divisor of {decode} for prefill",
        )


def _contradicted(context: Context, tiers: Tiers) -> Iterator[Problem]:
    """A tier's own value that contradicts the mode is refused, not overruled."""
    said = context.mode.setting
    for role, resolved in tiers.items():
        tier = context.tier(role)
        decided = {
            "replicas": ("replicas", tier.replicas, resolved.replicas),
            "tensor_parallel": ("tensorParallel", tier.tensor_parallel, resolved.tensor_parallel),
        }
        for field, (key, given, mode) in decided.items():
            if field in tier.model_fields_set and given != mode:
                yield Problem(
                    f"serving.{role}.{key}",
                    given,
                    f"contradicts {said}, which makes it {mode}",
                    "two workers on one host would fight for its ports and adapters; the mode takes a node per worker",
                    f"`pulumi config rm --path serving.{role}.{key}`, or set serving.hostNetwork: false",
                )
        path, rdma = rdma_setting(context.settings, role)
        if rdma is not None and path != "serving.rdma":
            yield Problem(
                path,
                rdma.model_dump(by_alias=True),
                f"contradicts {said}: such pods see every adapter of the node",
                "the scheduler would wait for a device that the pods do not need, and the device plugin hide the rest",
                f"`pulumi config rm --path {path}`; the stack's serving.rdma may stay",
            )


def _odd_pair(context: Context, tiers: Tiers) -> bool:
    """Whether vLLM of the release fetches KV blocks from no layout like prefill's."""
    prefill, decode = tiers[Role.PREFILL].tensor_parallel, tiers[Role.DECODE].tensor_parallel
    return bool(decode % prefill and (prefill % decode or not context.release.wider_prefill))


def notes(context: Context, tiers: Tiers) -> Iterator[str]:
    """Layouts that leave GPUs unused, or that depend on the model."""
    per_node = context.settings.gpus_per_node
    if context.mode.whole_node:
        if per_node.bit_count() != 1:
            yield (
                f"serving.gpusPerNode: {context.mode.setting} makes {per_node} the tensor parallelism of both tiers. "
                f"vLLM starts only where {per_node} divides the model's attention heads"
            )
        return
    for role, tier in tiers.items():
        gpus = tier.gpus
        if gpus <= per_node and per_node % gpus:
            yield (
                f"serving.{role}.tensorParallel: {gpus} does not divide the {per_node} GPUs of a node "
                f"(serving.gpusPerNode): {per_node % gpus} of each node stay unused by {role} workers"
            )
    prefill, decode = tiers[Role.PREFILL].tensor_parallel, tiers[Role.DECODE].tensor_parallel
    if _odd_pair(context, tiers):
        yield (
            f"serving.decode.tensorParallel: {decode} beside prefill's {prefill} is a pair that NixlConnector of the "
            "release's images does not serve; whether the connector and the images here do is not known"
        )
    elif prefill > decode:
        yield (
            f"serving.prefill.tensorParallel: {prefill} is more than decode's {decode}, which works where the model "
            f"has more than {prefill} KV heads (vllm-project/vllm#27274)"
        )
