"""Compares what sizing predicted with what vLLM says at its start, and prints the correction.

Source of the lines: vllm-project/vllm, vllm/v1/worker/gpu_model_runner.py, vllm/v1/worker/gpu_worker.py and
vllm/v1/core/kv_cache_utils.py (0.11.2, 0.17.1). With several GPUs each rank has lines of its own; the smallest counts.
"""

import re
from collections.abc import Mapping
from typing import Any

from verify.cluster import Cluster
from verify.finding import Finding, Unreachable, ok, unseen, warning
from verify.pods import name
from verify.tiers import VLLM, Tier

_START = str(4 * 1024 * 1024)
"""Bytes of a log's beginning, in which vLLM says its sizes."""
_SAID: Mapping[str, re.Pattern[str]] = {
    "weights": re.compile(r"Model loading took ([\d.]+) Gi?B"),
    "pool": re.compile(r"Available KV cache memory: ([\d.]+) GiB"),
    "tokens": re.compile(r"GPU KV cache size: ([\d,]+) tokens"),
    "sequences": re.compile(r"Maximum concurrency for [\d,]+ tokens per request: ([\d.]+)x"),
}


def said(log: str) -> dict[str, float]:
    """What vLLM says of its memory, by word: GiB per GPU, tokens, sequences at full length; what it does not say is
    absent."""
    found = {word: [float(each.replace(",", "")) for each in line.findall(log)] for word, line in _SAID.items()}
    return {word: min(numbers) for word, numbers in found.items() if numbers}


def judge(cluster: Cluster, namespace: str, tier: Tier, row: Mapping[str, Any]) -> Finding:
    """Compare a tier's row of the stack output `sizing` with the log of its first Ready pod."""
    step = f"sizing {tier.role}"
    if not tier.ready:
        return unseen(step, "no pod is Ready")
    try:
        log = cluster.log(namespace, name(tier.ready[0]), VLLM, limitBytes=_START)
    except Unreachable as refused:
        return unseen(step, f"vLLM's log can't be read: {refused}", refused.remedy)
    return compared(step, said(log), row)


def compared(step: str, real: Mapping[str, float], row: Mapping[str, Any]) -> Finding:
    """The finding for what vLLM said: all is well within the printed range of the prediction."""
    if "pool" not in real or "tokens" not in real:
        return unseen(step, "vLLM's log does not say the size of its KV cache (rotated, or a simulator)")
    least, most = row["cacheGiBRange"]
    off = real["tokens"] / row["cacheTokens"] - 1 if row["cacheTokens"] else float("inf")
    evidence = (
        f"predicted {row['cacheGiB']} GiB of KV cache per GPU ({least} to {most}) and {row['cacheTokens']} tokens; "
        f"vLLM has {real['pool']:.1f} GiB and {real['tokens']:.0f} tokens ({off:+.1%})"
    )
    if "sequences" in real:
        evidence += f"; {row['sequences']} sequences predicted, {real['sequences']:.1f} real"
    if least <= real["pool"] <= most:
        return ok(step, evidence)
    return warning(
        step,
        evidence,
        f"sizing is off by {real['pool'] - row['cacheGiB']:+.1f} GiB per GPU: {_parts(real, row)}",
        "read sizing's numbers for this stack with this correction; is serving.gpu the product of the nodes, and "
        "serving.model.shape the model's own config.json?",
    )


def _parts(real: Mapping[str, float], row: Mapping[str, Any]) -> str:
    """Where the difference is: weights, and all else that vLLM deducts."""
    missing = row["cacheGiB"] - real["pool"]
    if "weights" not in real:
        return "vLLM's log does not say the size of the weights"
    weights = real["weights"] - row["weightsGiB"]
    return (
        f"weights take {real['weights']:.1f} GiB and {row['weightsGiB']} were predicted ({weights:+.1f}), activations, "
        f"the runtime and graphs {missing - weights:+.1f}"
    )
