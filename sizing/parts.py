"""What a model consists of, as vLLM loads it: tensors by part, and layers by the way they attend."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class Part(StrEnum):
    """A kind of weight. Quantization and tensor parallelism treat each kind alike."""

    ATTENTION = "attention"
    LINEAR = "linear attention"
    MLP = "mlp"
    EXPERTS = "experts"
    SHARED = "shared experts"
    ROUTER = "router"
    EMBEDDING = "embedding"
    HEAD = "lm_head"
    VISION = "vision tower"
    OTHER = "norms and the rest"


class Kind(StrEnum):
    """How a layer attends, which decides what it caches."""

    FULL = "full"
    SLIDING = "sliding window"
    CHUNKED = "chunked"
    LATENT = "latent (MLA)"
    LINEAR = "linear"


class Tensors(NamedTuple):
    """Weights of one part, all layers together."""

    part: Part
    parameters: int
    ways: int | None = None
    """Into how many pieces tensor parallelism can cut them; beyond that ranks hold copies. 1: every rank has all of it,
    None: any number."""
    depth: int = 0
    """Layers that have them, where a checkpoint may quantize some layers only."""


@dataclass(frozen=True)
class Layers:
    """Layers that attend in the same way."""

    kind: Kind
    count: int
    kv_heads: int = 0
    key_dim: int = 0
    value_dim: int = 0
    window: int = 0
    """Tokens that a sliding or chunked layer sees."""
    latent: int = 0
    """Elements of a token in a latent cache: `kv_lora_rank` + `qk_rope_head_dim`."""
    index_dim: int = 0
    """Key size of the indexer of sparse attention; 0: none."""
    state: int = 0
    """Elements of the recurrent state of a sequence."""
    state_bytes: int = 2
    convolution: int = 0
    """Elements of the convolution's state of a sequence, two bytes each."""


@dataclass(frozen=True)
class Experts:
    """The experts of a mixture."""

    count: int
    per_token: int
    intermediate: int


@dataclass(frozen=True)
class Unknown:
    """A model that cannot be sized, and why. Never a guess."""

    reason: str

    def __str__(self) -> str:
        return f"unknown: {self.reason}"
