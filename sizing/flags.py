"""What of a worker's command line changes its memory."""

from typing import NamedTuple


class Flags(NamedTuple):
    """A worker of one tier. None: vLLM's default."""

    tensor_parallel: int = 1
    max_model_len: int | None = None
    block_size: int | None = None
    utilization: float | None = None
    kv_cache_dtype: str = "auto"
    kv_cache_memory: int | None = None
    """`--kv-cache-memory-bytes`: the pool itself, in bytes."""
    max_num_seqs: int | None = None
    max_num_batched_tokens: int | None = None
    eager: bool = False
    quantization: str | None = None
    """`--quantization`: of a checkpoint that is not quantized, while it is loaded."""
    context_parallel: int = 1
    """`--decode-context-parallel-size`."""
    connector: bool = False
    hybrid: bool | None = None
    """`--[no-]disable-hybrid-kv-cache-manager`; None: as vLLM decides."""
    speculative: bool = False
    experts_apart: bool = False
    """`--enable-expert-parallel`."""
    data_parallel: int = 1
    flashinfer_sampler: bool = False
    """Whether FlashInfer samples although the version's default is PyTorch."""
    text_only: bool = False
    """Whether images and the like are switched off (`--language-model-only`, limits of 0)."""
