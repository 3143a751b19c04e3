"""Judges KV transfers by the counters of vLLM: how much was transferred, of what, and how fast."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sizing.parts import Unknown
from sizing.shape import Shape
from sizing.transfer import ONE_LINK, TCP_RATE, prompt_bytes
from verify.cluster import Object
from verify.finding import Finding, failed, ok, unseen, warning
from verify.legs import Counted, Trial
from verify.metrics import Worker
from verify.tiers import VLLM, Tier

SLOW = 1e9
"""Bytes per second of one transfer, below which it is TCP: UCX over TCP moves 0.25 to 0.55 GB/s (`TCP_RATE`), one RDMA
link of 100 Gbit/s more than 10. The alert about slow transfers has the same default (`serving.monitoring`)."""
_JUDGED = 8e6
"""Bytes of a transfer, from which its rate is that of the fabric and not of the handshake."""
_TOLERANCE = 0.05
_COMPUTED = 0.1
"""Share of the prompts that decode may compute itself: the last token, and what does not fill a block."""
_GBIT = 400
_DEFAULT_BLOCK = 16


@dataclass(frozen=True)
class Model:
    """What a prompt's KV cache must be, from the model's shape and the flags of the pods."""

    shape: Shape
    ranks: tuple[int, ...]
    """Tensor parallelism of the tiers: each rank holds at least one KV head."""
    block: int
    dtype: str

    def bytes(self, tokens: int) -> tuple[float, float]:
        """Return the least and the most bytes of a prompt: without its last block, and with all of it."""
        whole = tokens // self.block * self.block
        least = min(prompt_bytes(self.shape, whole, each, self.dtype) for each in self.ranks)
        last = whole + self.block if tokens % self.block else whole
        return least, max(prompt_bytes(self.shape, last, each, self.dtype) for each in self.ranks)


def model_of(shape: Shape | Unknown, tiers: Sequence[Tier]) -> Model | None:
    """Return the model as the tiers' pods serve it; None for a shape that is unknown, or without pods."""
    pods = [pod for tier in tiers for pod in tier.ready[:1]]
    if isinstance(shape, Unknown) or not pods:
        return None
    flags = [flags_of(pod) for pod in pods]
    ranks = tuple(sorted({int(each.get("--tensor-parallel-size", 1)) for each in flags}))
    block = int(flags[0].get("--block-size", _DEFAULT_BLOCK))
    return Model(shape, ranks, block, flags[0].get("--kv-cache-dtype", "auto"))


def flags_of(pod: Object) -> Mapping[str, str]:
    """Return the flags of a pod's vLLM, `--name=value` or `--name value`."""
    words = [
        str(word)
        for container in pod["spec"]["containers"]
        if container["name"] == VLLM
        for word in container.get("args") or []
    ]
    found = re.findall(r"(--[\w-]+)(?:=|\n)([^\n-][^\n]*)", "\n".join(words))
    return dict(found)


def judge_transfer(
    before: Counted,
    after: Counted,
    decode: Sequence[str],
    prefill: Sequence[str],
    *,
    trials: Sequence[Trial] = (),
    model: Model | None = None,
    rdma: bool = False,
) -> Finding:
    """Report the KV transfers from prefill to decode workers, from NIXL's metrics.

    With `model`, compare the bytes of each prompt with its KV cache; with `rdma`, the rate with that of RDMA.
    """
    step = "KV transfer"
    figures = [(before[pod], after[pod]) for pod in decode]
    if not any(after[pod].has_nixl for pod in decode) and any(after[pod].has_nixl for pod in prefill):
        return failed(
            step,
            "the prefill workers export vllm:nixl_* metrics, and the decode workers do not",
            "decode has no KV connector: its workers compute the prompts themselves",
            "--kv-transfer-config of the decode tier (serving.kvTransfer)",
        )
    if not any(now.has_nixl for _, now in figures):
        return unseen(step, "the workers export no vllm:nixl_* metrics (a simulator, or vLLM before 0.11)")
    failures = sum((now.failures or 0) - (then.failures or 0) for then, now in figures)
    if failures:
        return failed(
            step,
            f"{failures:.0f} transfers failed",
            "decode workers compute these prompts again, or fail the request",
            "VLLM_NIXL_SIDE_CHANNEL_HOST, the nixl port and UCX's transports between the pods: the vLLM logs",
        )
    transfers, size, seconds = (_grown(figures, what) for what in ("transfers", "transferred", "transfer_seconds"))
    if not transfers:
        return warning(
            step,
            "no KV transfer was counted",
            "decode workers computed the prompts themselves",
            "the legs above; kv_role and kv_connector of both tiers (serving.kvTransfer)",
        )
    rate = size / seconds if seconds else 0.0
    evidence = f"{transfers:.0f} transfers of {size / transfers / 1e6:.1f} MB on average"
    evidence += f", {rate / 1e9:.2f} GB/s" if seconds else ""
    if rdma and 0 < rate < SLOW and size / transfers >= _JUDGED:
        link = f"one RDMA link of {_GBIT} Gbit/s {_GBIT / 8 * ONE_LINK:.0f} GB/s"
        return failed(
            step,
            f"{evidence}; UCX over TCP moves about {TCP_RATE / 1e9:.1f} GB/s, {link}",
            "silent fallback: KV blocks go over TCP, though the stack gives RDMA to the pods",
            "the step transport below; serving.rdma, serving.ucx.netDevices, serving.ucx.ibGidIndex",
        )
    return _sized(evidence, size, trials, model)


def _sized(evidence: str, size: float, trials: Sequence[Trial], model: Model | None) -> Finding:
    """Compare the transferred bytes with the KV caches of the prompts, where no other client caused transfers."""
    step = "KV transfer"
    tokens = [trial.answer.prompt_tokens for trial in trials]
    alone = sum(trial.of("decode") for trial in trials) == len(trials)
    if model is None or not alone or not tokens or None in tokens:
        return ok(step, evidence)
    bounds = [model.bytes(each or 0) for each in tokens]
    least, most = (sum(each[side] for each in bounds) / len(bounds) for side in (0, 1))
    each = size / len(trials)
    evidence += f"; {each / 1e6:.1f} MB per prompt, its KV cache is {least / 1e6:.1f} to {most / 1e6:.1f} MB"
    if each < least * (1 - _TOLERANCE):
        return warning(
            step,
            evidence,
            "a part of each prompt's KV cache does not come from prefill: decode workers compute it",
            "the step KV source; --shape if the model has another config.json than its name says",
        )
    if each > most * (1 + _TOLERANCE):
        return warning(
            step,
            evidence,
            "more is transferred than a prompt's KV cache: another KV cache dtype, or blocks that are read twice",
            "--kv-cache-dtype of both tiers; --shape if the model has another config.json than its name says",
        )
    return ok(step, evidence)


def judge_sources(before: Counted, after: Counted, decode: Sequence[str], trials: Sequence[Trial]) -> Finding | None:
    """Report where decode workers had the prompts' KV cache from, by vLLM's own counters; None without them."""
    step = "KV source"
    figures = [(before[pod], after[pod]) for pod in decode]
    if not trials or not all(trial.of("prefill") for trial in trials):
        return None  # not disaggregated: the step legs says so
    if not any(now.external is not None for _, now in figures):
        return None
    external, computed = _grown(figures, "external"), _grown(figures, "computed")
    asked = float(sum(trial.answer.prompt_tokens or 0 for trial in trials))
    evidence = f"decode workers: {external:.0f} prompt tokens from KV transfers"
    if any(now.computed is not None for _, now in figures):
        evidence += f", {computed:.0f} computed"
    if not external:
        return failed(
            step,
            f"{evidence}, of {asked:.0f} in these requests",
            "silent fallback: prefill workers compute the prompts, and decode workers compute them again",
            "the steps KV transfer and sidecar; kv_role and kv_connector of both tiers (serving.kvTransfer)",
        )
    if computed > _COMPUTED * (computed + external) and sum(trial.of("decode") for trial in trials) == len(trials):
        return warning(
            step,
            f"{evidence}, of {asked:.0f} in these requests",
            "silent fallback: decode workers compute a part of the prompts themselves",
            "the vLLM logs of decode: failed or late transfers; --block-size of both tiers (serving.model.blockSize)",
        )
    return ok(step, evidence)


def _grown(figures: Sequence[tuple[Worker, Worker]], what: str) -> float:
    return float(sum((getattr(now, what) or 0) - (getattr(then, what) or 0) for then, now in figures))
