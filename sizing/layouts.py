"""Every sensible layout of a model on a card for a load, best first."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from sizing import balance, memory
from sizing.balance import Estimate, Load, Tier
from sizing.card import Card
from sizing.engine import Engine
from sizing.flags import Flags
from sizing.rates import Worker
from sizing.shape import Shape
from sizing.transfer import Path, transfer

CACHE = 64_000
"""Tokens that a prefill worker's cache holds at least, beside two of the longest sequences."""


class Options(NamedTuple):
    """What a layout may be made of."""

    shape: Shape
    card: Card
    engine: Engine
    length: int
    path: Path = Path.RDMA
    gpus: int | None = None
    """GPUs to give away; None: as few as carry the stated rate."""
    node: int = 8
    """GPUs of a node: the most that a worker takes."""
    wider: bool = True
    """Whether decode workers fetch from prefill workers with more GPUs than they have."""
    flags: Mapping[str, object] | None = None

    def tier(self, ranks: int) -> Tier:
        given: dict[str, object] = {"max_model_len": self.length, "connector": True, **(self.flags or {})}
        flags = Flags(tensor_parallel=ranks, **given)  # type: ignore[arg-type]  # by name, as the caller has them
        worker = Worker(self.shape, self.card, flags)
        return Tier(worker, memory.fit(self.shape, self.card, self.engine, flags), 1)


def _holding(options: Options) -> list[Tier]:
    """Workers that hold a sequence of full length for certain."""
    base = options.tier(1).worker.flags
    tiers = [options.tier(ranks) for ranks in memory.tensor_parallels(options.shape, base, options.node)]
    return [tier for tier in tiers if tier.fit.sequences("least") >= 1]


def _prompt(tiers: list[Tier], load: Load) -> list[Tier]:
    """Prefill workers worth trying: those with enough cache, and of them the two smallest that are quick enough."""
    roomy = [tier for tier in tiers if tier.fit.tokens() >= max(2 * tier.fit.length, CACHE)] or tiers
    if load.ttft is None:
        return roomy
    quick = [tier for tier in roomy if load.uncached / balance.prefill_rate(tier, load) <= 0.6 * load.ttft]
    return (quick or roomy[-1:])[:2]


def layouts(options: Options, load: Load) -> list[Estimate]:
    """Layouts, best first; empty: no worker of a node's GPUs holds the model and one sequence, or too few GPUs."""
    tiers = _holding(options)

    def pairs(prefills: list[Tier]) -> list[Estimate]:
        return [each for one in prefills for other in tiers for each in _counted(options, one, other, load)]

    found = pairs(_prompt(tiers, load)) or pairs(tiers)
    if options.gpus is not None:
        return balance.best(found)
    met = [each for each in found if _meets(each, load)]
    return sorted(met or found, key=lambda each: (each.gpus, each.itl))


def _counted(options: Options, prefill: Tier, decode: Tier, load: Load) -> Iterator[Estimate]:
    ranks = (prefill.worker.flags.tensor_parallel, decode.worker.flags.tensor_parallel)
    if ranks[0] > ranks[1] and not options.wider:
        return
    dtype = memory.cache_dtype(options.shape, prefill.worker.flags)
    gbit = options.card.nic or 400
    moved = transfer(options.shape, load.input_tokens, ranks, options.path, gbit=gbit, dtype=dtype)
    if options.gpus is not None:
        yield from balance.splits(prefill, decode, load, options.gpus, moved)
    elif load.requests_per_second is not None:
        x, y = balance.counts(prefill, decode, load)
        one = Tier(prefill.worker, prefill.fit, x), Tier(decode.worker, decode.fit, y)
        yield balance.estimate(*one, load, moved)
    else:
        yield balance.estimate(prefill, decode, load, moved)


def _meets(each: Estimate, load: Load) -> bool:
    slow = load.ttft is not None and each.ttft > load.ttft
    return not slow and (load.itl is None or each.itl <= load.itl * 1.01)
