"""How fast a worker computes prompts and generates tokens: rooflines with measured efficiencies.

    prefill = GPUs * FLOP/s * MFU / FLOP of a token
    step(b) = bytes of weights touched and of the cache of b streams / (bandwidth * MBU) + layers * overhead

These are estimates. `Efficiency.band` is what they were off against published measurements (tests/sizing/rates.yaml).
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

TERA, GIGA = 1e12, 1e9


class Efficiency(NamedTuple):
    """What of the data sheet a kind of model reaches on a kind of GPU."""

    mfu: tuple[float, float, float, float]
    """Of the matrix rate, while prompts are computed, on 1, 2, 4 and 8 GPUs."""
    mbu: tuple[float, float, float, float]
    """Of the memory bandwidth, while tokens are generated, on 1, 2, 4 and 8 GPUs."""
    overhead: tuple[float, float, float, float]
    """Seconds per layer and step on 1, 2, 4 and 8 GPUs: launches and collectives."""
    band: float
    """A measured rate lies between the estimate divided and multiplied by 1 + this."""
    basis: str


MICRO = 1e-6

DENSE = Efficiency(
    (0.42, 0.42, 0.42, 0.40),
    (0.64, 0.58, 0.56, 0.45),
    (8 * MICRO, 45 * MICRO, 60 * MICRO, 65 * MICRO),
    0.75,
    "dense models on NVIDIA GPUs: measured",
)
BLACKWELL = Efficiency(
    (0.30, 0.30, 0.30, 0.30), (0.6, 0.58, 0.56, 0.45), DENSE.overhead, 0.75, "dense models on Blackwell: scaled"
)
MIXTURE = Efficiency(
    (0.35, 0.25, 0.18, 0.13),
    (0.55, 0.5, 0.5, 0.5),
    (40 * MICRO, 80 * MICRO, 90 * MICRO, 90 * MICRO),
    0.5,
    "mixtures of experts on NVIDIA GPUs: few measurements",
)
ROCM = Efficiency(
    (0.20, 0.20, 0.20, 0.20),
    (0.62, 0.6, 0.6, 0.6),
    (12 * MICRO, 60 * MICRO, 90 * MICRO, 120 * MICRO),
    0.6,
    "AMD GPUs: one published study; uncalibrated",
)
ROCM_MIXTURE = Efficiency(
    (0.20, 0.15, 0.12, 0.10),
    (0.5, 0.5, 0.5, 0.5),
    (40 * MICRO, 90 * MICRO, 110 * MICRO, 120 * MICRO),
    0.6,
    "AMD GPUs: uncalibrated",
)


def efficiency(shape: Shape, card: Card) -> Efficiency:
    """The efficiencies for a model on a card."""
    if card.rocm:
        return ROCM_MIXTURE if shape.experts else ROCM
    if shape.experts:
        return MIXTURE
    return BLACKWELL if card.name.startswith(("B200", "GB200")) else DENSE


@dataclass(frozen=True)
class Worker:
    """A worker as far as its speed is concerned."""

    shape: Shape
    card: Card
    flags: Flags

    @cached_property
    def _efficiency(self) -> Efficiency:
        return efficiency(self.shape, self.card)

    def _by_ranks(self, values: tuple[float, float, float, float]) -> float:
        return values[min(3, (self.flags.tensor_parallel).bit_length() - 1)]

    @cached_property
    def flops(self) -> float:
        """FLOP/s of the worker's matrix products by the data sheet, in the type that the checkpoint computes in."""
        kind = memory.effective(self.shape, self.flags).computes_in
        rate = self.card.flops.get(kind, self.card.flops.get("bf16", 0.0))
        return self.flags.tensor_parallel * rate * TERA

    def prefill(self, tokens: int) -> float:
        """Tokens per second, for prompts of this length; 0: the card's rate is unknown."""
        work = 2 * self.shape.active + _attention(self.shape, tokens)
        return self.flops * self._by_ranks(self._efficiency.mfu) / work

    def step(self, streams: float, context: float) -> float:
        """Seconds of one step that gives each stream a token; `context`: tokens of a stream on average."""
        ranks = self.flags.tensor_parallel
        read = self._weights(streams) / ranks + streams * _cached(self.shape, self.flags, context)
        bandwidth = self.card.bandwidth * GIGA * self._by_ranks(self._efficiency.mbu)
        launch = self.shape.depth * self._by_ranks(self._efficiency.overhead)
        computed = 2 * self.shape.active * streams / (self.flops * 0.3)
        return max(read / bandwidth + launch, computed)

    def decode(self, streams: float, context: float) -> float:
        """Tokens per second of all streams."""
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
        total += each.count * per_token(each, size, flags.tensor_parallel, dtype) * seen
    return total
