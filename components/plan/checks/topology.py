"""GPUs, tensor parallelism and what host-network mode decides."""

from collections.abc import Iterator

from components.config.problem import Problem
from components.config.vocabulary import Role
from components.plan.context import Context


def check(context: Context) -> Iterator[Problem]:
    """Layouts that no node can hold or no KV transfer can serve."""
    if context.settings.host_network:
        yield from _host_network(context)
        return
    per_node = context.settings.gpus_per_node
    for role in Role:
        gpus = context.tensor_parallel(role)
        path = f"serving.{role}.tensorParallel"
        if gpus > per_node:
            yield Problem(
                path,
                gpus,
                f"is more than the {per_node} GPUs of a node (serving.gpusPerNode)",
                f"the {role} pods would stay Pending for ever: no node has {gpus} {context.accelerator.gpu_resource}",
                f"use at most {per_node}, or set serving.gpusPerNode to what a node really has",
            )
        elif per_node % gpus:
            yield Problem(
                path,
                gpus,
                f"does not divide the {per_node} GPUs of a node (serving.gpusPerNode)",
                f"{per_node % gpus} GPUs of every node would stay unused, or the pods not fit as planned",
                f"use one of {', '.join(str(n) for n in range(1, per_node + 1) if per_node % n == 0)}",
            )
    prefill, decode = context.tensor_parallel(Role.PREFILL), context.tensor_parallel(Role.DECODE)
    if decode % prefill:
        yield Problem(
            "serving.decode.tensorParallel",
            decode,
            f"is not a multiple of serving.prefill.tensorParallel ({prefill})",
            "NIXL splits each prefill rank's KV heads among whole decode ranks: the first transfer would fail",
            f"use a multiple of {prefill} for decode, or a divisor of {decode} for prefill",
        )


def _host_network(context: Context) -> Iterator[Problem]:
    """A tier's own value that contradicts the mode is refused, not overruled."""
    settings = context.settings
    for role in Role:
        tier = context.tier(role)
        decided = {
            "replicas": ("replicas", tier.replicas, context.replicas(role)),
            "tensor_parallel": ("tensorParallel", tier.tensor_parallel, context.tensor_parallel(role)),
        }
        for field, (key, given, mode) in decided.items():
            if field in tier.model_fields_set and given != mode:
                yield Problem(
                    f"serving.{role}.{key}",
                    given,
                    f"contradicts serving.hostNetwork: true, which makes it {mode}",
                    "two workers on one host would fight for its ports and adapters; the mode takes a node per worker",
                    f"`pulumi config rm --path serving.{role}.{key}`, or set serving.hostNetwork: false",
                )
        if "rdma" in tier.model_fields_set and tier.rdma is not None:
            yield Problem(
                f"serving.{role}.rdma",
                tier.rdma.model_dump(by_alias=True),
                "contradicts serving.hostNetwork: true: such pods see every adapter of the node",
                "the scheduler would wait for a device that the pods do not need, and the device plugin hide the rest",
                f"`pulumi config rm --path serving.{role}.rdma`; the stack's serving.rdma may stay",
            )
    if settings.gpus_per_node.bit_count() != 1:
        yield Problem(
            "serving.gpusPerNode",
            settings.gpus_per_node,
            "is not a power of two, and serving.hostNetwork: true makes it the tensor parallelism of both tiers",
            "vLLM would refuse to start: attention heads do not divide by it",
            "set it to the 1, 2, 4 or 8 GPUs that the nodes have, or serving.hostNetwork: false",
        )
