"""How many workers of each tier a load takes, and whether disaggregation pays.

A request costs `input / P` seconds of a prefill worker and `output / D` of a decode worker. The factors 0.90 and 0.92
and the comparison of tiers are AIConfigurator's (ai-dynamo/aiconfigurator, docs/algorithm.md); queueing is M/D/x.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import ceil, sqrt
from typing import Any, NamedTuple

from sizing.memory import Fit
from sizing.rates import Worker
from sizing.transfer import Transfer

PREFILL_SHARE, DECODE_SHARE = 0.90, 0.92
"""Share of a tier's rate that a steady load reaches."""

HALVINGS = 20
"""Of a range, until the answer is exact to a millionth of it."""

ALIKE = 0.1
"""Rates and times that differ by less are alike: the estimates are not better than that."""

IDLE = 0.5
"""A tier below this load, beside one at its limit, makes a ratio lopsided."""


class Load(NamedTuple):
    """What is asked of the stack; times in seconds."""

    input_tokens: int
    output_tokens: int
    requests_per_second: float | None = None
    concurrency: int | None = None
    ttft: float | None = None
    itl: float | None = None
    prefix_hit_rate: float = 0.0
    measured_prefill: float | None = None
    """Tokens per second of one prefill worker, measured."""
    measured_decode: float | None = None
    """Tokens per second of one decode worker, measured."""

    @classmethod
    def of(cls, given: Any, prefill: float | None, decode: float | None) -> Load:
        """From `serving.load`, or from the options of the command: fields of the same names, with ttft and itl in
        milliseconds; and the measured rates of one worker, in tokens per second."""
        return cls(
            given.input_tokens,
            given.output_tokens,
            given.requests_per_second,
            given.concurrency,
            given.ttft / 1000 if given.ttft else None,
            given.itl / 1000 if given.itl else None,
            given.prefix_hit_rate,
            prefill,
            decode,
        )

    @property
    def uncached(self) -> float:
        """Tokens of a prompt that are computed."""
        return self.input_tokens * (1 - self.prefix_hit_rate)

    @property
    def context(self) -> float:
        """Tokens of a stream while it is generated, on average."""
        return self.input_tokens + self.output_tokens / 2


@dataclass(frozen=True)
class Tier:
    """Workers of one tier, all alike."""

    worker: Worker
    fit: Fit
    count: int

    @property
    def gpus(self) -> int:
        return self.count * self.worker.flags.tensor_parallel


class Estimate(NamedTuple):
    """What a layout does under a load."""

    prefill: Tier
    decode: Tier
    rate: float
    """Requests per second that it carries, or that the stated streams make."""
    limit: float
    """Requests per second at most."""
    binds: str
    ttft: float
    itl: float
    prefill_load: float
    """Fraction of the tier's time; above 1 it falls behind."""
    decode_load: float
    streams: float
    """Streams of one decode worker."""
    transfer: Transfer | None = None

    @property
    def gpus(self) -> int:
        return self.prefill.gpus + self.decode.gpus


def streams_at(worker: Worker, fit: Fit, load: Load) -> float:
    """Streams of one decode worker: as many as fit, and as the target for time per token allows."""
    most = min(fit.max_num_seqs, max(1.0, fit.sequences(length=int(load.context))))
    if load.itl is None:
        return most
    target = load.itl
    if worker.step(most, load.context) <= target:
        return most
    return _halved(1.0, most, lambda streams: worker.step(streams, load.context) <= target)[0]


def _halved(low: float, high: float, more: Callable[[float], bool]) -> tuple[float, float]:
    """The range in which `more` turns false."""
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if more(middle) else (low, middle)
    return low, high


def prefill_rate(tier: Tier, load: Load) -> float:
    """Tokens per second of one prefill worker."""
    return load.measured_prefill or tier.worker.prefill(load.input_tokens)


def decode_rate(tier: Tier, load: Load) -> float:
    """Tokens per second of one decode worker at its most streams."""
    return load.measured_decode or tier.worker.decode(streams_at(tier.worker, tier.fit, load), load.context)


def estimate(prefill: Tier, decode: Tier, load: Load, moved: Transfer | None = None) -> Estimate:
    """What a layout carries, and how fast, under the stated rate or the stated streams, else at its limit."""
    p, d = prefill_rate(prefill, load), decode_rate(decode, load)
    by_prefill = prefill.count * p * PREFILL_SHARE / max(1.0, load.uncached)
    by_decode = decode.count * d * DECODE_SHARE / load.output_tokens
    limit = min(by_prefill, by_decode)
    rate = limit
    if load.requests_per_second is not None:
        rate = min(limit, load.requests_per_second)
    elif load.concurrency is not None:
        rate = min(limit, _closed(prefill, decode, load, p, limit))
    streams = _streams(decode, load, rate)
    itl = decode.worker.step(max(1.0, streams), load.context)
    busy = rate * load.uncached / (prefill.count * p)
    alone = load.uncached / p
    asked = load.requests_per_second if load.requests_per_second is not None else rate
    return Estimate(
        prefill=prefill,
        decode=decode,
        rate=rate,
        limit=limit,
        binds="prefill" if by_prefill <= by_decode else "decode",
        ttft=alone * (1 + _wait(busy, prefill.count)) + (moved.seconds if moved else 0) + itl,
        itl=itl,
        prefill_load=asked / by_prefill,
        decode_load=asked / by_decode,
        streams=streams,
        transfer=moved,
    )


def _streams(decode: Tier, load: Load, rate: float) -> float:
    """Streams of each decode worker at a rate (Little's law): the least that generate so many tokens per second."""
    each, most = rate * load.output_tokens / decode.count, float(decode.fit.max_num_seqs)
    return _halved(0.0, most, lambda streams: decode.worker.decode(streams, load.context) < each)[1]


def _closed(prefill: Tier, decode: Tier, load: Load, p: float, limit: float) -> float:
    """Requests per second that a fixed number of streams makes: each waits, is computed, and is generated."""
    concurrency = load.concurrency or 0

    def more(rate: float) -> bool:
        busy = rate * load.uncached / (prefill.count * p)
        first = load.uncached / p * (1 + _wait(busy, prefill.count))
        generating = max(concurrency - rate * first, 0.0) / decode.count
        return decode.count * decode.worker.decode(generating, load.context) / load.output_tokens > rate

    return _halved(0.0, limit, more)[0]


def _wait(busy: float, workers: int) -> float:
    """Mean wait in units of a prompt's own time, M/D/x."""
    busy = min(busy, 0.99)
    queued: float = busy ** sqrt(2 * (workers + 1))
    return queued / (2 * workers * (1 - busy))


def aggregated(decode: Tier, load: Load, gpus: int) -> float:
    """Requests per second of the same GPUs where every worker does both: those of the stated streams, else as many as
    the target for time per token allows."""
    replicas = max(1.0, gpus / decode.worker.flags.tensor_parallel)
    p = load.measured_prefill or decode.worker.prefill(load.input_tokens)
    single = Tier(decode.worker, decode.fit, 1)
    most = min(decode.fit.max_num_seqs, decode.fit.sequences(length=int(load.context)))

    def more(rate: float) -> bool:
        share = rate * load.uncached / p
        streams = _streams(single, load, rate / max(1e-9, 1 - share))
        slow = decode.worker.step(max(1.0, streams), load.context) / max(1e-9, 1 - share)
        took = load.uncached / p * (1 + _wait(share, 1)) + load.output_tokens * slow
        fits = share < PREFILL_SHARE and streams < most and (load.itl is None or slow <= load.itl)
        return fits and (load.concurrency is None or rate * took <= load.concurrency / replicas)

    return _halved(0.0, p / max(1.0, load.uncached), more)[0] * replicas


def gain(best: Estimate, load: Load) -> float:
    """Requests per GPU of a layout over those of the same GPUs aggregated."""
    together = aggregated(best.decode, load, best.gpus)
    carried = best.limit if load.concurrency is None else best.rate
    return carried / together if together else float("inf")


def counts(prefill: Tier, decode: Tier, load: Load) -> tuple[int, int]:
    """Fewest workers of each tier that carry the stated rate."""
    asked = load.requests_per_second or 0.0
    x = ceil(asked * load.uncached / (prefill_rate(prefill, load) * PREFILL_SHARE))
    y = ceil(asked * load.output_tokens / (decode_rate(decode, load) * DECODE_SHARE))
    return max(1, x), max(1, y)


def splits(prefill: Tier, decode: Tier, load: Load, gpus: int, moved: Transfer | None = None) -> Iterator[Estimate]:
    """Every way to give so many GPUs to the two tiers with as few unused GPUs as possible."""
    one, other = prefill.worker.flags.tensor_parallel, decode.worker.flags.tensor_parallel
    for x in range(1, (gpus - other) // one + 1):
        y = (gpus - x * one) // other
        if y:
            yield estimate(Tier(prefill.worker, prefill.fit, x), Tier(decode.worker, decode.fit, y), load, moved)


def best(candidates: list[Estimate]) -> list[Estimate]:
    """Best first: by requests per second, then by time per token, then with fewer and larger workers.

    What differs by less than `ALIKE` is alike: the estimates are not better than that. Fewer workers hold the weights
    fewer times, and their caches and batches are larger.
    """
    if not candidates:
        return []
    most = max(each.rate for each in candidates)
    near = [each for each in candidates if each.rate >= (1 - ALIKE) * most]
    fastest = min(each.itl for each in near)

    def order(each: Estimate) -> tuple[bool, bool, float, float, int, float]:
        close = each.rate >= (1 - ALIKE) * most
        quick = close and each.itl <= (1 + ALIKE) * fastest
        workers = each.prefill.count + each.decode.count if quick else -each.rate
        return not close, not quick, workers, -round(each.rate / most, 2), each.prefill.count, each.ttft

    return sorted(candidates, key=order)
