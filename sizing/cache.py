"""The KV cache: blocks, groups of layers, and what one sequence takes.

Source: vllm-project/vllm, vllm/v1/core/kv_cache_utils.py (`get_kv_cache_groups`, `get_kv_cache_config_from_groups`,
`get_max_concurrency_for_kv_cache_config`) and vllm/v1/kv_cache_interface.py (`max_memory_usage_bytes`).
"""

from collections.abc import Iterator
from math import ceil
from typing import NamedTuple

from sizing.parts import Kind, Layers
from sizing.shape import Shape

DEFAULT_BLOCK = 16
INDEX_BYTES = 132
"""An FP8 key of 128 and its scale (DeepSeek-V3.2's indexer)."""


class Group(NamedTuple):
    """Layers that take blocks of the pool together, one block of each."""

    kind: Kind
    window: int = 0


class Cache(NamedTuple):
    """How a rank's pool is cut."""

    page: int
    """Bytes of a block in one layer."""
    block: int
    """Tokens of a block."""
    wide: int
    """Layers that a block spans: those of one group, padded."""
    groups: tuple[Group, ...]
    batched: int
    """`max_num_batched_tokens`, which a window's blocks are kept for besides."""
    spread: int = 1
    """Ranks among which a sequence's tokens are spread (decode context parallelism)."""

    def blocks(self, pool: float) -> int:
        return max(0, int(pool // (self.page * self.wide)))

    def needs(self, length: int) -> int:
        """Blocks of one sequence."""
        return sum(self._of(group, length) for group in self.groups)

    def _of(self, group: Group, length: int) -> int:
        tokens = ceil(length / self.spread)
        if group.kind is Kind.LINEAR:
            return 1
        if group.kind is Kind.SLIDING:
            return ceil(min(group.window - 1 + self.batched, tokens) / self.block) + 1
        if group.kind is Kind.CHUNKED:
            return ceil(min(group.window + self.batched, tokens) / self.block)
        return ceil(tokens / self.block)

    def sequences(self, pool: float, length: int) -> float:
        """Sequences of this length that a pool holds: vLLM's "Maximum concurrency"."""
        return self.blocks(pool) / self.needs(length)

    def longest(self, pool: float) -> int:
        """Tokens of the longest single sequence, a whole number of blocks; 0: none."""
        blocks, low, high = self.blocks(pool), 0, 1
        if self.needs(self.block) > blocks:
            return 0
        while self.needs(high * self.block) <= blocks and high < 2**24:
            low, high = high, high * 2
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.needs(middle * self.block) <= blocks else (low, middle)
        return low * self.block

    def tokens(self, pool: float, length: int, *, by_concurrency: bool) -> int:
        """vLLM's "GPU KV cache size"; since 0.22 it is the concurrency times the length."""
        if by_concurrency:
            return int(self.sequences(pool, length) * length)
        return self.blocks(pool) // len(self.groups) * self.block * self.spread


def element(dtype: str, shape: Shape) -> float:
    """Bytes of an element of the cache for `--kv-cache-dtype`."""
    return 1 if dtype.startswith("fp8") or dtype == "int8" else shape.dtype


def per_token(layers: Layers, size: float, ranks: int, dtype: str = "auto") -> float:
    """Bytes that a token takes in one such layer on one rank; a rank has at least one KV head."""
    if layers.kind is Kind.LINEAR:
        return 0
    if layers.kind is Kind.LATENT:
        latent = 656 if dtype == "fp8_ds_mla" else layers.latent * size
        return latent + (INDEX_BYTES if layers.index_dim else 0)
    return max(1, layers.kv_heads // ranks) * (layers.key_dim + layers.value_dim) * size


def token_bytes(shape: Shape, ranks: int, dtype: str = "auto") -> float:
    """Bytes that a token takes on one rank, in all layers, windows included."""
    size = element(dtype, shape)
    return sum(each.count * per_token(each, size, ranks, dtype) for each in shape.layers)


def state_bytes(layers: Layers, ranks: int) -> float:
    """Bytes of a sequence's recurrent state in one layer on one rank."""
    return (layers.state * layers.state_bytes + layers.convolution * 2) / ranks


def cut(
    shape: Shape, ranks: int, dtype: str, block: int | None, batched: int, *, hybrid: bool, spread: int = 1
) -> Cache:
    """How vLLM cuts the pool; `hybrid`: layers of several kinds keep caches of their own size."""
    size = element(dtype, shape)
    attending = [each for each in shape.layers if each.kind is not Kind.LINEAR]
    linear = [each for each in shape.layers if each.kind is Kind.LINEAR]
    width = max(per_token(each, size, ranks, dtype) for each in attending)
    tokens = block or DEFAULT_BLOCK
    if linear:  # a page holds a state, and attention gets the block that fills it
        state = max(state_bytes(each, ranks) for each in linear)
        tokens = max(tokens, ceil(state / width / 16) * 16)
    apart = hybrid or bool(linear)
    if not apart or len({each.kind for each in shape.layers}) == 1:
        whole = sum(each.count * per_token(each, size, ranks, dtype) for each in attending)
        group = Group(attending[0].kind, attending[0].window) if apart else Group(Kind.FULL)
        return Cache(int(whole * tokens), tokens, 1, (group,), batched, spread)
    wide = min(each.count for each in shape.layers)
    return Cache(int(width * tokens), tokens, wide, tuple(_groups(shape.layers, wide)), batched, spread)


def _groups(layers: tuple[Layers, ...], wide: int) -> Iterator[Group]:
    for each in layers:
        for _ in range(ceil(each.count / wide)):
            yield Group(each.kind, each.window)
