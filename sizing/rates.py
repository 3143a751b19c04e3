"""How fast a worker computes prompts and generates tokens: rooflines with measured efficiencies.

    prefill    FLOP of the tokens / (GPUs * FLOP/s * MFU) + bytes of all-reduces / (links * efficiency)
    step(b)    bytes of weights touched and of the cache of b streams / (bandwidth * MBU)
               + FLOP of b tokens / (GPUs * FLOP/s * MFU * GENERATING) + layers * (launches + two all-reduces)

These are estimates. `Efficiency.band` is what they were off against published measurements: tests/sizing/rates.yaml and
recipes.yaml, docs/sizing-accuracy.md.
Two measured numbers (`serving.load.measured`) are better than any of them.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from sizing import memory
from sizing.cache import element, per_token
from sizing.card import Card
from sizing.flags import Flags
from sizing.parts import Kind, Part
from sizing.shape import Shape

TERA, GIGA, MICRO = 1e12, 1e9, 1e-6

GENERATING = 0.6
"""Of the matrix rate that prompts reach, what the small batches of a step reach."""

PEERS = 7
"""Other GPUs of a node. AMD's have a link to each: two GPUs use one of seven, and NVIDIA's switch gives a pair all."""


class Efficiency(NamedTuple):
    """What of the data sheet a kind of model reaches on a kind of GPU."""

    mfu: float
    """Of the matrix rate, while prompts are computed."""
    mbu: float
    """Of the memory bandwidth, while tokens are generated."""
    layer: float
    """Seconds per layer and step: launches, and kernels that neither rate bounds."""
    reduce: float
    """Seconds of an all-reduce of few bytes."""
    links: float
    """Of the bandwidth between GPUs, in all-reduces of many bytes."""
    band: float
    """Nine of ten measured rates lie between the estimate divided and multiplied by 1 + this."""
    basis: str


DENSE = Efficiency(0.68, 0.80, 33 * MICRO, 15 * MICRO, 0.54, 0.20, "dense models on NVIDIA GPUs")
MIXTURE = Efficiency(0.36, 0.67, 83 * MICRO, 15 * MICRO, 0.54, 0.30, "mixtures of experts on NVIDIA GPUs")
BLACKWELL = Efficiency(0.65, 0.85, 33 * MICRO, 13 * MICRO, 0.33, 0.25, "dense models on Blackwell")
BLACKWELL_MIXTURE = Efficiency(0.45, 0.83, 75 * MICRO, 13 * MICRO, 0.33, 0.50, "mixtures of experts on Blackwell")
ROCM = Efficiency(0.33, 0.69, 60 * MICRO, 11 * MICRO, 0.45, 0.25, "dense models on AMD GPUs")
ROCM_MIXTURE = Efficiency(0.10, 0.70, 110 * MICRO, 11 * MICRO, 0.45, 0.40, "mixtures of experts on AMD GPUs")


def efficiency(shape: Shape, card: Card) -> Efficiency:
    """The efficiencies for a model on a card."""
    if card.rocm:
        return ROCM_MIXTURE if shape.experts else ROCM
    if card.name.startswith(("B200", "GB200")):
        return BLACKWELL_MIXTURE if shape.experts else BLACKWELL
    return MIXTURE if shape.experts else DENSE


@dataclass(frozen=True)
class Worker:
    """A worker as far as its speed is concerned."""

    shape: Shape
    card: Card
    flags: Flags

    @cached_property
    def _efficiency(self) -> Efficiency:
        return efficiency(self.shape, self.card)

    @cached_property
    def flops(self) -> float:
        """FLOP/s of the worker's matrix products by the data sheet, in the type that the checkpoint computes in."""
        kind = memory.effective(self.shape, self.flags).computes_in
        rate = self.card.flops.get(kind, self.card.flops.get("bf16", 0.0))
        return self.flags.tensor_parallel * rate * TERA

    def prefill(self, tokens: int) -> float:
        """Tokens per second, for prompts of this length; 0: the card's rate is unknown."""
        if not self.flops:
            return 0.0
        work = 2 * self.shape.active + _attention(self.shape, tokens)
        return 1 / (work / (self.flops * self._efficiency.mfu) + 2 * self.shape.depth * self._reduced)

    def step(self, streams: float, context: float) -> float:
        """Seconds of one step that gives each stream a token; `context`: tokens of a stream on average."""
        ranks, about = self.flags.tensor_parallel, self._efficiency
        read = self._weights(streams) / ranks + streams * _cached(self.shape, self.flags, context)
        computed = 2 * self.shape.active * streams / (self.flops * about.mfu * GENERATING)
        layer = about.layer + (2 * (about.reduce + streams * self._reduced) if ranks > 1 else 0)
        return read / (self.card.bandwidth * GIGA * about.mbu) + computed + self.shape.depth * layer

    @cached_property
    def _reduced(self) -> float:
        """Seconds that the links take for one token of an all-reduce, in a ring of all ranks."""
        others = self.flags.tensor_parallel - 1
        if not others:
            return 0.0
        links = self.card.link * GIGA * (min(1.0, others / PEERS) if self.card.rocm else 1)
        size = 2 * self.shape.hidden * self.shape.dtype * others / (others + 1)
        return size / (links * self._efficiency.links)

    def decode(self, streams: float, context: float) -> float:
        return streams / self.step(streams, context) if streams else 0.0

    def _weights(self, streams: float) -> float:
        """Bytes of weights that a step touches: all but the embedding, and of the experts those that are chosen."""
        always, mixed = self._touched
        about = self.shape.experts
        return always + (mixed * (1 - (1 - about.per_token / about.count) ** streams) if about else mixed)

    @cached_property
    def _touched(self) -> tuple[float, float]:
        """Bytes that each step reads, and bytes of all experts."""
        quant, sizes = memory.effective(self.shape, self.flags), [0.0, 0.0]
        for each in self.shape.tensors:
            if each.part is not Part.VISION and (each.part is not Part.EMBEDDING or self.shape.tied):
                of = each.parameters * quant.bytes_of(each.part, self.shape.dtype)
                sizes[each.part is Part.EXPERTS] += of
        return sizes[0], sizes[1]


def _attention(shape: Shape, tokens: int) -> float:
    """FLOP of a token's attention to those before it, on average over a prompt."""
    total = 0.0
    for each in shape.layers:
        seen = tokens / 2
        if each.kind in (Kind.SLIDING, Kind.CHUNKED):
            seen = min(seen, each.window)
        if each.kind is Kind.LATENT:
            total += each.count * 2 * shape.heads * 320 * seen
        elif each.kind is not Kind.LINEAR:
            total += each.count * 2 * shape.heads * (each.key_dim + each.value_dim) * seen
    return total


def _cached(shape: Shape, flags: Flags, context: float) -> float:
    """Bytes of a stream's cache that one rank reads in a step."""
    dtype = memory.cache_dtype(shape, flags)
    size, total = element(dtype, shape), 0.0
    for each in shape.layers:
        if each.kind is Kind.LINEAR:
            total += each.count * each.state * each.state_bytes / flags.tensor_parallel
            continue
        seen = min(context, each.window) if each.kind is Kind.SLIDING else context
        total += each.count * per_token(each, size, flags.tensor_parallel, dtype) * seen / flags.context_parallel
    return total
