"""Memory of a worker: weights, activations, what is left for the KV cache, and how many tokens that holds.

    pool per GPU = utilization * memory - weights - activation - outside torch - CUDA graphs

Source: `determine_available_memory` of vllm-project/vllm, vllm/v1/worker/gpu_worker.py. What vLLM measures there is
predicted here, with a least and a most: `Band`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from typing import NamedTuple

from sizing import cache, quantization
from sizing.cache import Cache
from sizing.card import Card
from sizing.engine import FLASHINFER, GIB, Engine
from sizing.flags import Flags
from sizing.parts import Part
from sizing.quantization import Quantization
from sizing.shape import Shape

ROCM_WEIGHTS = 1.02
"""Weights loaded by ROCm over what they have on paper (start-up logs: 15.30 GiB for Llama-3.1-8B, 14.96 on CUDA)."""

PROFILING = 0.05
"""GiB that the profiled forward pass takes besides."""

MARLIN = 1.03
"""Weights of an MXFP4 model where Marlin is the kernel, and not Triton, over what is likely: 66.0 and 64.4 GiB of
gpt-oss-120b (vllm-project/vllm issues 23278 and 33155). Which one it is depends on what the image has."""

LOGIT = 4

TILE = 64
"""Rows that an MXFP4 kernel pads each rank's experts to."""
TILE_IN = 256
"""Columns that it pads the hidden size to: 64.4 GiB of gpt-oss-120b are loaded, and 60.8 are on disk."""


@dataclass(frozen=True)
class Band:
    """An estimate with its least and its most."""

    least: float
    likely: float
    most: float

    def __sub__(self, other: "Band") -> "Band":
        return Band(self.least - other.most, self.likely - other.likely, self.most - other.least)

    def __add__(self, other: "Band") -> "Band":
        return Band(self.least + other.least, self.likely + other.likely, self.most + other.most)


class Fit(NamedTuple):
    """Memory of one GPU of a worker. GiB, unless said."""

    card: Card
    flags: Flags
    budget: float
    """What vLLM may take: utilization of the memory."""
    weights: Band
    activation: Band
    outside: Band
    graphs: Band
    pool: Band
    cache: Cache
    length: int
    """Tokens of a sequence at full length; 0: the model's own is unknown."""
    utilization: float
    max_num_seqs: int
    max_num_batched_tokens: int
    hybrid: bool
    """Whether layers with a window have caches of their own size."""

    @property
    def other(self) -> float:
        """What is neither weights nor activations nor cache."""
        return self.outside.likely + self.graphs.likely

    def blocks(self, which: str = "likely") -> int:
        """Blocks of the pool at the least, likely or most of the band."""
        return self.cache.blocks(getattr(self.pool, which) * GIB)

    def tokens(self, which: str = "likely", *, by_concurrency: bool = False) -> int:
        """Tokens of one kind of layer that the pool holds; with windows or states more fit than this says.

        With `by_concurrency`, the sequences at full length times that length.
        """
        return self.cache.tokens(getattr(self.pool, which) * GIB, self.length or 1, by_concurrency=by_concurrency)

    def sequences(self, which: str = "likely", length: int | None = None) -> float:
        """Sequences of this length, or of full length, that the pool holds."""
        return self.cache.sequences(max(0.0, getattr(self.pool, which)) * GIB, length or self.length or 1)

    def longest(self, which: str = "likely") -> int:
        return self.cache.longest(max(0.0, getattr(self.pool, which)) * GIB)


def fit(shape: Shape, card: Card, engine: Engine, flags: Flags) -> Fit:
    """Predict the memory of each GPU of a worker."""
    a100 = card.name.startswith("A100")
    sequences = flags.max_num_seqs or engine.sequences(card.memory, a100=a100)
    batched = flags.max_num_batched_tokens or engine.batched_tokens(card.memory, a100=a100)
    length = flags.max_model_len or shape.longest
    sequences = min(sequences, batched)
    hybrid = _hybrid(engine, flags)
    cut = cache.cut(
        shape,
        flags.tensor_parallel,
        cache_dtype(shape, flags),
        flags.block_size,
        batched,
        hybrid=hybrid,
        spread=flags.context_parallel,
    )
    utilization = engine.utilization if flags.utilization is None else flags.utilization
    budget = utilization * card.memory
    weights = weight_band(shape, card, flags)
    activation = activation_band(shape, engine, flags, sequences, batched)
    outside = Band(*engine.outside(flags.tensor_parallel * flags.data_parallel, rocm=card.rocm))
    graphs = Band(*engine.graphs(sequences, eager=flags.eager, rocm=card.rocm))
    pool = Band(budget, budget, budget) - weights - activation - outside - graphs
    if flags.kv_cache_memory is not None:
        given = flags.kv_cache_memory / GIB
        pool = Band(given, given, given)
    return Fit(
        card=card,
        flags=flags,
        budget=budget,
        weights=weights,
        activation=activation,
        outside=outside,
        graphs=graphs,
        pool=pool,
        cache=cut,
        length=length,
        utilization=utilization,
        max_num_seqs=sequences,
        max_num_batched_tokens=batched,
        hybrid=hybrid,
    )


def _hybrid(engine: Engine, flags: Flags) -> bool:
    if flags.hybrid is not None:
        return flags.hybrid
    return engine.hybrid_with_connector() or not flags.connector


def cache_dtype(shape: Shape, flags: Flags) -> str:
    """`--kv-cache-dtype`, with `auto` resolved as far as all versions agree: FP8 of a ModelOpt checkpoint."""
    if flags.kv_cache_dtype not in ("auto", ""):
        return flags.kv_cache_dtype
    quant = shape.quantization
    return "fp8" if quant.method == "modelopt" and quant.cache_fp8 else "auto"


def effective(shape: Shape, flags: Flags) -> Quantization:
    """How weights are held: as the checkpoint says, or as `--quantization` makes them while they are loaded."""
    if not shape.quantization.method and flags.quantization == "fp8":
        return Quantization("fp8", quantization.FP8, computes_in="fp8")
    return shape.quantization


def weight_band(shape: Shape, card: Card, flags: Flags) -> Band:
    """GiB of weights on one GPU."""
    likely = sum(_rank_bytes(shape, flags)) / GIB * (ROCM_WEIGHTS if card.rocm else 1)
    most = 1.06 if flags.speculative else MARLIN if shape.quantization.padded else 1.02
    return Band(0.985 * likely, likely, most * likely)


def _rank_bytes(shape: Shape, flags: Flags) -> Iterator[float]:
    quant, ranks = effective(shape, flags), flags.tensor_parallel
    for each in shape.tensors:
        ways = ranks if each.ways is None else min(ranks, each.ways)
        if each.part is Part.EXPERTS and flags.experts_apart:
            ways = ranks * flags.data_parallel
        size = each.parameters / ways * quant.bytes_of(each.part, shape.dtype)
        if each.part is Part.EXPERTS and quant.padded and shape.experts:
            wide = shape.experts.intermediate / ways
            size *= ceil(wide / TILE) * TILE / wide * (ceil(shape.hidden / TILE_IN) * TILE_IN / shape.hidden)
        yield size


def activation_band(shape: Shape, engine: Engine, flags: Flags, sequences: int, batched: int) -> Band:
    """GiB at the peak of the profiled pass: of the sampler, which has all logits on every rank, or of the layers."""
    factor = FLASHINFER if flags.flashinfer_sampler else engine.sampler
    sampler = factor * sequences * shape.vocab * LOGIT
    ranks = flags.tensor_parallel
    forward = batched * (6 * shape.intermediate / ranks + 8 * shape.hidden)
    if shape.experts:
        k, wide = shape.experts.per_token, shape.experts.intermediate
        mixed = 2 * k * (max(2 * wide, shape.hidden) + wide) / (1 if flags.experts_apart else ranks)
        forward = max(forward, batched * (mixed + 8 * shape.hidden))
    encoder = 0.0 if flags.text_only or not shape.multimodal else 0.4
    likely = max(sampler, forward) / GIB + PROFILING + encoder
    return Band(0.75 * likely, likely, 1.3 * likely + 2 * encoder + 0.2)


def invalid(shape: Shape, flags: Flags) -> list[str]:
    """Why vLLM would refuse this tensor parallelism for this shape; empty: it would not.

    Source: `verify_with_parallel_config` of vllm/config/model.py; `divide` in vllm/distributed/utils.py; the checks of
    block sizes in vllm/model_executor/layers/quantization/fp8.py.
    """
    ranks, found = flags.tensor_parallel, []
    if shape.heads % ranks:
        found.append(f"{shape.heads} attention heads are not divisible by {ranks}")
    for kv in sorted({each.kv_heads for each in shape.layers if each.kv_heads}):
        if kv % ranks and ranks % kv:
            found.append(f"{kv} KV heads and {ranks} GPUs do not divide each other")
    if ranks % flags.context_parallel:
        found.append(f"{flags.context_parallel} ranks of decode context parallelism do not divide {ranks} GPUs")
    if shape.intermediate % ranks:
        found.append(f"an MLP of {shape.intermediate} is not divisible by {ranks}")
    if shape.experts and not flags.experts_apart and shape.experts.intermediate % ranks:
        found.append(f"experts of {shape.experts.intermediate} are not divisible by {ranks}")
    if (ceil(shape.vocab / 64) * 64) % ranks:
        found.append(f"a vocabulary of {ceil(shape.vocab / 64) * 64} rows is not divisible by {ranks}")
    return found


def tensor_parallels(shape: Shape, flags: Flags, most: int = 8) -> list[int]:
    """Valid degrees of tensor parallelism up to `most`, powers of two."""
    degrees = [2**power for power in range(most.bit_length()) if 2**power <= most]
    return [each for each in degrees if not invalid(shape, flags._replace(tensor_parallel=each))]
