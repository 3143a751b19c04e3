"""What the numbers mean for a stack: what is proven to fail, what is likely to, and a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from sizing import memory
from sizing.card import Card
from sizing.engine import Engine
from sizing.flags import Flags
from sizing.host import Host, faults
from sizing.memory import Fit
from sizing.parts import Kind
from sizing.shape import Shape
from sizing.transfer import Path, Transfer, transfer

if TYPE_CHECKING:
    from sizing.balance import Estimate, Load, Tier

PREFILL, DECODE = "prefill", "decode"

NEAR = 0.95
"""Proven only if the longest length is below this share of the requested one: the estimate is not more exact."""

PROMPT = 4000
"""Tokens of the prompt with which TCP is judged where no load is stated; the comparison depends little on it."""

SHORTEST = 1024
"""Tokens below which a length is no advice."""

FEW = 2.0
"""A cache that holds fewer sequences at full length causes a warning."""

CROWDED = 0.95
"""From this utilization on, CUDA graphs, which are captured after the KV cache is allocated, may not fit."""


class Finding(NamedTuple):
    """Something wrong, or likely wrong."""

    path: str
    """Setting below `serving`."""
    value: object
    wrong: str
    outcome: str
    change: str
    proven: bool = False


@dataclass(frozen=True)
class Workers:
    """A tier as the stack has it."""

    flags: Flags
    count: int
    certain: bool = True
    """False: its image or its arguments change memory in ways that are not known."""
    host: Host | None = None


@dataclass(frozen=True)
class Question:
    """A model, a GPU product and workers, and what is known of them."""

    shape: Shape
    card: Card
    engine: Engine
    tiers: Mapping[str, Workers]
    path: Path
    load: Load | None = None
    certain: bool = True
    """False: the shape was guessed from a name."""
    others: tuple[Card, ...] = ()
    """Cards that an answer may name instead."""

    def fit(self, role: str) -> Fit:
        return memory.fit(self.shape, self.card, self.engine, self.tiers[role].flags)

    def tier(self, role: str) -> Tier:
        from sizing.balance import Tier  # noqa: PLC0415  # a preview without a load does not pay for it
        from sizing.rates import Worker  # noqa: PLC0415

        flags = self.tiers[role].flags
        return Tier(Worker(self.shape, self.card, flags), self.fit(role), self.tiers[role].count)

    @cached_property
    def estimate(self) -> Estimate | None:
        """What the stack's own layout does under the load; None: no load is stated."""
        from sizing import balance  # noqa: PLC0415

        if self.load is None:
            return None
        moved = self.moved(self.load.input_tokens)
        return balance.estimate(self.tier(PREFILL), self.tier(DECODE), self.load, moved)

    def moved(self, tokens: int) -> Transfer:
        """The transfer of a prompt of so many tokens."""
        ranks = (self.tiers[PREFILL].flags.tensor_parallel, self.tiers[DECODE].flags.tensor_parallel)
        dtype = memory.cache_dtype(self.shape, self.tiers[PREFILL].flags)
        return transfer(self.shape, tokens, ranks, self.path, gbit=self.card.nic or 400, dtype=dtype)


def findings(asked: Question) -> Iterator[Finding]:
    """What is wrong with the memory of workers, then with their speed."""
    sound = True
    for each in in_memory(asked):
        sound = sound and not each.proven
        yield each
    if sound and asked.load and asked.estimate:
        yield from _speed(asked, asked.load, asked.estimate)
    elif sound and asked.path is Path.TCP:
        yield from _fabric(asked, PROMPT, PROMPT)


def in_memory(asked: Question) -> Iterator[Finding]:
    """What is wrong with the memory of workers; only of these some are proven."""
    for role in (PREFILL, DECODE):
        yield from _memory(asked, role)


def _memory(asked: Question, role: str) -> Iterator[Finding]:
    flags, card, engine = asked.tiers[role].flags, asked.card, asked.engine
    certain = asked.certain and asked.tiers[role].certain
    ranks = flags.tensor_parallel
    if wrong := memory.invalid(asked.shape, flags):
        valid = ", ".join(map(str, memory.tensor_parallels(asked.shape, flags)))
        yield Finding(
            f"{role}.tensorParallel",
            ranks,
            f"does not divide the model: {'; '.join(wrong)}",
            "vLLM would stop at start",
            f"use one of {valid}",
            proven=asked.certain,
        )
        return
    fit = asked.fit(role)
    name = f"{card.name} ({card.memory:.1f} GiB, of which vLLM takes {fit.budget:.1f})"
    if fit.weights.likely > fit.budget and flags.kv_cache_memory is None:
        yield Finding(
            f"{role}.tensorParallel",
            ranks,
            f"gives each GPU {fit.weights.likely:.1f} GiB of weights, and an {name} has less",
            "the worker would run out of memory while it loads the model",
            _instead(asked, role),
            proven=certain and fit.weights.least > fit.budget,
        )
        return
    yield from _length(asked, role, fit, name, certain=certain)
    if host := asked.tiers[role].host:
        for setting, fault, outcome, change in faults(host, ranks):
            yield Finding(f"{role}.{setting}", None, fault, outcome, change)
    kv = max((each.kv_heads for each in asked.shape.layers), default=0)
    if kv and ranks > kv:
        yield Finding(
            f"{role}.tensorParallel",
            ranks,
            f"is more than the model's {kv} KV heads: {ranks // kv} GPUs hold a copy of each",
            "the bytes of a token in cache and transfer are multiplied by the number of copies",
            f"{kv} GPUs per worker, and more workers, hold more tokens",
        )
    windows = any(each.kind in (Kind.SLIDING, Kind.CHUNKED) for each in asked.shape.layers)
    if windows and not fit.hybrid:
        yield Finding(
            role,
            None,
            f"has a model with windows, and vLLM {engine.text} keeps whole sequences of all its layers beside a KV "
            "connector",
            f"the cache holds {fit.sequences():.1f} sequences of {fit.length} tokens",
            "newer versions keep windows small (--no-disable-hybrid-kv-cache-manager)",
        )
    late = engine.version < (0, 21) or card.rocm
    if fit.utilization >= CROWDED and late and not flags.eager:
        yield Finding(
            f"{role}.extraArgs",
            None,
            f"takes {fit.utilization:.2f} of the memory, and graphs are captured after the KV cache is allocated",
            "the worker may run out of memory while it captures them (0.3 to 2 GiB, ROCm up to 5)",
            "--gpu-memory-utilization=0.92, or --enforce-eager",
        )


def _length(asked: Question, role: str, fit: Fit, name: str, *, certain: bool) -> Iterator[Finding]:
    if not fit.length:
        return
    pool = f"{max(0.0, fit.pool.likely):.1f} GiB for the KV cache"
    if fit.sequences() < 1:
        longest = fit.longest("most")
        proven = certain and longest < NEAR * fit.length
        best = f"at most {longest}" if longest else "perhaps not one"
        yield Finding(
            "model.maxModelLen",
            asked.tiers[role].flags.max_model_len,
            f"does not fit a {role} worker on {asked.tiers[role].flags.tensor_parallel} x {name}: weights "
            f"{fit.weights.likely:.1f}, activations {fit.activation.likely:.1f}, other {fit.other:.1f}, which leaves "
            f"{pool} ({fit.longest()} tokens; with the lowest estimate of the rest {best})",
            "vLLM would load the model for minutes, and then stop: one request of that length needs more cache",
            _instead(asked, role, fit.longest()),
            proven=proven,
        )
    elif fit.sequences("least") < 1:
        yield Finding(
            "model.maxModelLen",
            asked.tiers[role].flags.max_model_len,
            f"fits a {role} worker on {name} barely: {pool} hold {fit.sequences():.1f} sequences, and the estimate "
            f"may be wrong by {fit.pool.likely - fit.pool.least:.1f} GiB",
            "vLLM may stop after it has loaded the model",
            _instead(asked, role, fit.longest("least")),
        )
    elif fit.sequences() < FEW:
        yield Finding(
            "model.maxModelLen",
            asked.tiers[role].flags.max_model_len,
            f"leaves a {role} worker on {name} {pool}: {fit.sequences():.1f} sequences of that length",
            "requests wait for each other",
            "more GPUs per worker, a shorter length, or --kv-cache-dtype=fp8 in both tiers",
        )


def _instead(asked: Question, role: str, longest: int = 0) -> str:
    """The change that would help: a length, a degree of tensor parallelism, another card."""
    flags, ways = asked.tiers[role].flags, []
    if longest >= SHORTEST:
        ways.append(f"serving.model.maxModelLen: {longest}")
    for ranks in memory.tensor_parallels(asked.shape, flags):
        wider = flags._replace(tensor_parallel=ranks)
        if ranks > flags.tensor_parallel and _does(asked, asked.card, wider):
            ways.append(f"serving.{role}.tensorParallel: {ranks}")
            break
    if flags.kv_cache_dtype == "auto" and _does(asked, asked.card, flags._replace(kv_cache_dtype="fp8")):
        ways.append("--kv-cache-dtype=fp8 in extraArgs of both tiers")
    cards = [card.name for card in asked.others if card != asked.card and _does(asked, card, flags)]
    if cards:
        ways.append(f"a GPU that holds it: {', '.join(cards)}")
    return "; or ".join(ways) or "a smaller or more quantized model"


def _does(asked: Question, card: Card, flags: Flags) -> bool:
    fit = memory.fit(asked.shape, card, asked.engine, flags)
    return fit.sequences("least") >= 1


def _speed(asked: Question, load: Load, found: Estimate) -> Iterator[Finding]:
    from sizing import balance  # noqa: PLC0415
    from sizing.rates import efficiency  # noqa: PLC0415

    about = efficiency(asked.shape, asked.card)
    band = f"estimated within a factor of {1 + about.band:.2f} ({about.basis})"
    if load.measured_prefill and load.measured_decode:
        band = "from serving.load.measured"
    shares = f"prefill {found.prefill_load:.0%} busy, decode {found.decode_load:.0%}; {band}"
    slack = 1.0 if load.measured_prefill and load.measured_decode else 1 + about.band
    x, y = found.prefill.count, found.decode.count
    if load.requests_per_second and max(found.prefill_load, found.decode_load) > 1:
        need = balance.counts(found.prefill, found.decode, load)
        yield Finding(
            "load.requestsPerSecond",
            load.requests_per_second,
            f"is more than {x} prefill and {y} decode workers carry ({found.limit:.1f}): {shares}",
            "queues would grow without end",
            f"prefill.replicas: {need[0]}, decode.replicas: {need[1]}",
        )
    low, high = sorted((found.prefill_load, found.decode_load))
    idle = PREFILL if found.prefill_load < found.decode_load else DECODE
    spare = x if idle == PREFILL else y
    if high > 0.9 and low < balance.IDLE and spare > 1 and low * spare / (spare - 1) < 0.9:
        yield Finding(
            f"{idle}.replicas",
            spare,
            f"is more than the load needs: {shares}",
            "its GPUs wait for the other tier",
            f"serving.{idle}.replicas: {spare - 1}, and more of the other tier",
        )
    for name, target, value in (("ttft", load.ttft, found.ttft), ("itl", load.itl, found.itl)):
        if target is not None and value > target * slack:
            yield Finding(
                f"load.{name}",
                round(target * 1000),
                f"is missed: {value * 1000:.0f} ms are expected; {band}",
                "requests take longer than the target",
                "more GPUs per prefill worker" if name == "ttft" else "more decode workers, or GPUs per decode worker",
            )
    yield from _fabric(asked, load.input_tokens, load.uncached, load.measured_prefill)
    if (won := balance.gain(found, load)) < 1 / slack:
        yield Finding(
            "load",
            None,
            f"suits aggregated serving: the same {found.gpus} GPUs carry {1 / max(won, 1e-9):.1f} times as many "
            f"requests; {band}",
            "disaggregation costs more than it gives",
            "measure both (`vllm bench serve` against one worker alone), or keep it for its even time per token",
        )


def _fabric(asked: Question, tokens: int, uncached: float, measured: float | None = None) -> Iterator[Finding]:
    """A transfer that takes longer than half of the prefill."""
    prefill = asked.tier(PREFILL).worker
    alone, took = uncached / (measured or prefill.prefill(tokens)), asked.moved(tokens)
    if took.seconds > 0.5 * alone:
        yield Finding(
            "rdma" if asked.path is Path.TCP else "load",
            None,
            f"has the KV cache of a prompt of {tokens} tokens ({took.bytes / 1e9:.1f} GB) take {took.seconds:.1f} s "
            f"over {asked.path.upper()}, and computing the prompt takes {alone:.1f} s",
            "decode workers would be faster to compute prompts themselves",
            "an RDMA fabric, or serving.routing.selectivePd for long prompts only",
        )
