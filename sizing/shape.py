"""The shape of a model, read from the config.json of its Hugging Face repository.

A reader exists per model class, because a class may change what fields mean. A class without one is unknown.
Sources: the classes' modules in vllm-project/vllm, vllm/model_executor/models, and the configuration classes of
huggingface/transformers for defaults of absent fields.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from sizing import quantization
from sizing.parts import Experts, Kind, Layers, Part, Tensors, Unknown
from sizing.quantization import Quantization

Config = Mapping[str, Any]

DTYPES = {"bfloat16": 2, "float16": 2, "float32": 2}
"""Bytes of a weight; vLLM's `auto` loads float32 checkpoints as float16 or bfloat16."""


@dataclass(frozen=True)
class Shape:
    """All that sizing must know about a model."""

    architecture: str
    hidden: int
    heads: int
    vocab: int
    layers: tuple[Layers, ...]
    tensors: tuple[Tensors, ...]
    quantization: Quantization
    intermediate: int
    """Width of the dense MLP; 0: there is none."""
    experts: Experts | None = None
    tied: bool = False
    dtype: int = 2
    longest: int = 0
    """`max_position_embeddings`; 0: not said."""
    multimodal: bool = False

    @cached_property
    def depth(self) -> int:
        """Layers that attend."""
        return sum(each.count for each in self.layers)

    @cached_property
    def parameters(self) -> int:
        return sum(each.parameters for each in self.tensors)

    @cached_property
    def active(self) -> int:
        """Parameters that a token is multiplied with: of the experts those that it is routed to, and no embedding."""
        total = 0
        for each in self.tensors:
            if each.part is Part.EXPERTS and self.experts:
                total += each.parameters * self.experts.per_token // self.experts.count
            elif each.part is not Part.VISION and (each.part is not Part.EMBEDDING or self.tied):
                total += each.parameters
        return total


class _Read(NamedTuple):
    """Body of a model between embeddings and head."""

    layers: tuple[Layers, ...]
    tensors: tuple[Tensors, ...]
    intermediate: int = 0
    experts: Experts | None = None


class _Missing(Exception):
    """A field without which the class cannot be read."""


def read(config: Config, sidecar: Config | None = None) -> Shape | Unknown:
    """Read the shape from config.json; `sidecar`: the hf_quant_config.json beside it, if there is one."""
    names = config.get("architectures") or ["no architecture"]
    text: Config = {**DEFAULTS.get(names[0], {}), **config, **(config.get("text_config") or {})}
    reader = READERS.get(names[0])
    if reader is None:
        return Unknown(names[0])
    try:
        body = reader(text)
        if isinstance(body, Unknown):
            return body
        hidden, vocab = _number(text, "hidden_size"), _number(text, "vocab_size")
    except _Missing as missing:
        return Unknown(f"{names[0]} without {missing}")
    given = config.get("quantization_config") or text.get("quantization_config")
    quant = quantization.read(given, {each.part: each.depth for each in body.tensors}, sidecar)
    if isinstance(quant, Unknown):
        return quant
    tied = bool(text.get("tie_word_embeddings", names[0].startswith("Gemma")))
    rows = -(-vocab // 64) * 64 * hidden
    ends = [Tensors(Part.EMBEDDING, rows), *([] if tied else [Tensors(Part.HEAD, rows)])]
    vision = _vision(config.get("vision_config") or {})
    return Shape(
        architecture=names[0],
        hidden=hidden,
        heads=int(text.get("num_attention_heads") or 0),
        vocab=vocab,
        layers=body.layers,
        tensors=(*ends, *body.tensors, *([Tensors(Part.VISION, vision, 1)] if vision else [])),
        quantization=quant,
        intermediate=body.intermediate,
        experts=body.experts,
        tied=tied,
        dtype=DTYPES.get(str(text.get("torch_dtype") or text.get("dtype") or "bfloat16"), 2),
        longest=int(text.get("max_position_embeddings") or 0),
        multimodal="vision_config" in config,
    )


def _number(config: Config, *names: str) -> int:
    for name in names:
        if config.get(name) is not None:
            return int(config[name])
    raise _Missing(names[0])


def _vision(config: Config) -> int:
    """Parameters of a vision tower, within a few per cent: attention and a plain MLP per layer."""
    hidden, depth = config.get("hidden_size"), config.get("num_hidden_layers", config.get("depth"))
    if not hidden or not depth:
        return 0
    return int(depth * (4 * hidden**2 + 2 * hidden * config.get("intermediate_size", 4 * hidden)))


# -- attention --------------------------------------------------------------------------------------------------------


def _head_dim(config: Config) -> int:
    return int(config.get("head_dim") or _number(config, "hidden_size") // _number(config, "num_attention_heads"))


def _kv_heads(config: Config) -> int:
    return int(config.get("num_key_value_heads") or _number(config, "num_attention_heads"))


def _grouped(config: Config, count: int, *, gated: bool = False) -> tuple[Tensors, ...]:
    """Weights of `count` layers of grouped-query attention; `gated`: the query is twice as wide."""
    hidden, heads, size = _number(config, "hidden_size"), _number(config, "num_attention_heads"), _head_dim(config)
    kv = _kv_heads(config)
    return (
        Tensors(Part.ATTENTION, count * hidden * heads * size * (3 if gated else 2), depth=count),
        Tensors(Part.ATTENTION, count * hidden * kv * size * 2, kv, count),
    )


def _caching(config: Config, kind: Kind, count: int, window: int = 0) -> Layers:
    size = _head_dim(config)
    return Layers(kind, count, _kv_heads(config), size, size, window)


def _attending(config: Config, sliding: int) -> tuple[Layers, ...]:
    """Layers of a model of which `sliding` layers have a window."""
    depth = _number(config, "num_hidden_layers")
    window = int(config.get("sliding_window") or 0)
    if not window or not sliding:
        return (_caching(config, Kind.FULL, depth),)
    every = [_caching(config, Kind.FULL, depth - sliding), _caching(config, Kind.SLIDING, sliding, window)]
    return tuple(each for each in every if each.count)


def _sliding(config: Config, otherwise: int) -> int:
    """Layers with a window; `otherwise`: where the file does not name the kind of each layer."""
    kinds = config.get("layer_types")
    return otherwise if kinds is None else sum(each == "sliding_attention" for each in kinds)


def _latent(config: Config, depth: int) -> tuple[tuple[Layers, ...], tuple[Tensors, ...]]:
    """Multi-head latent attention; a token's cache is the same on every rank."""
    hidden, heads = _number(config, "hidden_size"), _number(config, "num_attention_heads")
    rank, rope = _number(config, "kv_lora_rank"), _number(config, "qk_rope_head_dim")
    nope, value = _number(config, "qk_nope_head_dim"), _number(config, "v_head_dim")
    query = int(config.get("q_lora_rank") or 0)
    index, index_heads = int(config.get("index_head_dim") or 0), int(config.get("index_n_heads") or 0)
    down = hidden * (rank + rope) + hidden * query
    up = (query or hidden) * heads * (nope + rope) + rank * heads * (nope + value) + heads * value * hidden
    indexer = (query or hidden) * index_heads * index + hidden * (index + index_heads)
    kinds = config.get("indexer_types")
    indexed = depth if kinds is None else sum(each == "full" for each in kinds)
    plain = Layers(Kind.LATENT, depth, latent=rank + rope)
    layers = [plain]
    if index:
        sparse = Layers(Kind.LATENT, indexed, latent=rank + rope, index_dim=index)
        layers = [sparse, Layers(Kind.LATENT, depth - indexed, latent=rank + rope)]
    return (
        tuple(each for each in layers if each.count),
        (
            Tensors(Part.ATTENTION, depth * down, 1, depth),
            Tensors(Part.ATTENTION, depth * up, depth=depth),
            *([Tensors(Part.OTHER, indexed * indexer, 1)] if index else []),
        ),
    )


# -- feed-forward -----------------------------------------------------------------------------------------------------


def _mixture(config: Config, layers: int, size: int, *, shared: int = 0) -> tuple[tuple[Tensors, ...], Experts]:
    """Experts of `layers` layers, each gated and `size` wide; `shared`: width of what every token passes."""
    hidden = _number(config, "hidden_size")
    count = _number(config, "num_experts", "num_local_experts", "n_routed_experts")
    chosen = _number(config, "num_experts_per_tok", "num_experts_per_token", "top_k_experts")
    tensors = [
        Tensors(Part.EXPERTS, layers * count * 3 * hidden * size, depth=layers),
        Tensors(Part.ROUTER, layers * hidden * count, 1),
    ]
    if shared:
        tensors.append(Tensors(Part.SHARED, layers * 3 * hidden * shared, depth=layers))
    return tuple(tensors), Experts(count, chosen, size)


def _dense(config: Config, layers: int, size: int) -> tuple[Tensors, ...]:
    return (Tensors(Part.MLP, layers * 3 * _number(config, "hidden_size") * size, depth=layers),) if layers else ()


# -- model classes ----------------------------------------------------------------------------------------------------


def _all_dense(config: Config, sliding: int) -> _Read:
    """A decoder with grouped-query attention and a gated MLP in every layer."""
    depth, size = _number(config, "num_hidden_layers"), _number(config, "intermediate_size")
    return _Read(_attending(config, sliding), (*_grouped(config, depth), *_dense(config, depth, size)), size)


def _plain(config: Config) -> _Read:
    """Qwen says whether its window is used."""
    depth, full = _number(config, "num_hidden_layers"), int(config.get("max_window_layers") or 0)
    used = config.get("use_sliding_window", "max_window_layers" not in config)
    return _all_dense(config, _sliding(config, depth - full if used else 0))


def _gemma2(config: Config) -> _Read:
    """Every second layer has a window, whether the file says so or not."""
    return _all_dense(config, _sliding(config, _number(config, "num_hidden_layers") // 2))


def _gemma3(config: Config) -> _Read:
    """Every sixth layer is full."""
    depth = _number(config, "num_hidden_layers")
    return _all_dense(config, _sliding(config, depth - depth // int(config.get("sliding_window_pattern", 6))))


def _all_experts(config: Config, sliding: int) -> _Read:
    """All layers have experts as wide as `intermediate_size`."""
    depth = _number(config, "num_hidden_layers")
    experts, about = _mixture(config, depth, _number(config, "intermediate_size"))
    return _Read(_attending(config, sliding), (*_grouped(config, depth), *experts), 0, about)


def _mixtral(config: Config) -> _Read:
    return _all_experts(config, _number(config, "num_hidden_layers"))


def _minimax(config: Config) -> _Read | Unknown:
    """MiniMax-M2: all layers full, although the configuration class has words for others."""
    kinds = config.get("attn_type_list")
    if kinds is not None and set(kinds) != {1}:
        return Unknown("MiniMaxM2ForCausalLM with linear attention")
    return _all_experts(config, 0)


def _gpt_oss(config: Config) -> _Read:
    """Every second layer has a window of 128."""
    return _all_experts(config, _sliding(config, _number(config, "num_hidden_layers") // 2))


def _qwen_moe(config: Config) -> _Read:
    """Every `decoder_sparse_step`-th layer has experts, except `mlp_only_layers`."""
    depth, step = _number(config, "num_hidden_layers"), int(config.get("decoder_sparse_step") or 1)
    without = set(config.get("mlp_only_layers") or [])
    sparse = sum(place not in without and (place + 1) % step == 0 for place in range(depth))
    shared = int(config.get("shared_expert_intermediate_size") or 0)
    experts, about = _mixture(config, sparse, _number(config, "moe_intermediate_size"), shared=shared)
    size = int(config.get("intermediate_size") or 0) if depth - sparse else 0
    body = (*_grouped(config, depth), *experts, *_dense(config, depth - sparse, size))
    return _Read((_caching(config, Kind.FULL, depth),), body, size, about)


def _dense_first(config: Config, layers: tuple[Layers, ...], attention: tuple[Tensors, ...]) -> _Read:
    """The first layers are dense."""
    depth, dense = _number(config, "num_hidden_layers"), int(config.get("first_k_dense_replace") or 0)
    size, moe = _number(config, "intermediate_size"), _number(config, "moe_intermediate_size")
    shared = moe * int(config.get("n_shared_experts") or 0)
    experts, about = _mixture(config, depth - dense, moe, shared=shared)
    body = (*attention, *experts, *_dense(config, dense, size))
    return _Read(layers, body, size if dense else 0, about)


def _glm4_moe(config: Config) -> _Read:
    depth = _number(config, "num_hidden_layers")
    return _dense_first(config, (_caching(config, Kind.FULL, depth),), _grouped(config, depth))


def _deepseek(config: Config) -> _Read:
    return _dense_first(config, *_latent(config, _number(config, "num_hidden_layers")))


def _llama4(config: Config) -> _Read:
    """Three of four layers attend within chunks; every `interleave_moe_layer_step`-th has experts and a shared one."""
    depth, step = _number(config, "num_hidden_layers"), int(config.get("interleave_moe_layer_step") or 1)
    chunk = int(config.get("attention_chunk_size") or 0)
    kinds = config.get("no_rope_layers") or [int((place + 1) % 4 != 0) for place in range(depth)]
    chunked = sum(map(bool, kinds)) if chunk else 0
    moe, wide = _number(config, "intermediate_size"), _number(config, "intermediate_size_mlp")
    sparse = depth // step
    experts, about = _mixture(config, sparse, moe, shared=moe)
    both = [_caching(config, Kind.FULL, depth - chunked), _caching(config, Kind.CHUNKED, chunked, chunk)]
    body = (*_grouped(config, depth), *experts, *_dense(config, depth - sparse, wide))
    return _Read(tuple(each for each in both if each.count), body, wide if depth - sparse else 0, about)


def _qwen_next(config: Config) -> _Read:
    """Qwen3-Next and Qwen3.5: every fourth layer attends, the others are gated delta nets."""
    depth = _number(config, "num_hidden_layers")
    kinds = config.get("layer_types")
    full = depth // _number(config, "full_attention_interval") if kinds is None else kinds.count("full_attention")
    linear = depth - full
    hidden, values = _number(config, "hidden_size"), _number(config, "linear_num_value_heads")
    key = _number(config, "linear_num_key_heads") * _number(config, "linear_key_head_dim")
    value = values * _number(config, "linear_value_head_dim")
    kernel = _number(config, "linear_conv_kernel_dim")
    recurrent = Layers(
        Kind.LINEAR,
        linear,
        state=values * _number(config, "linear_key_head_dim") * _number(config, "linear_value_head_dim"),
        state_bytes=4 if config.get("mamba_ssm_dtype") == "float32" else 2,
        convolution=(2 * key + value) * (kernel - 1),
    )
    delta = linear * (hidden * (2 * key + 2 * value + 2 * values) + (2 * key + value) * kernel + value * hidden)
    attention = (*_grouped(config, full, gated=True), Tensors(Part.LINEAR, delta, depth=linear))
    layers = (_caching(config, Kind.FULL, full), recurrent)
    if config.get("num_experts"):
        shared = int(config.get("shared_expert_intermediate_size") or 0)
        experts, about = _mixture(config, depth, _number(config, "moe_intermediate_size"), shared=shared)
        return _Read(layers, (*attention, *experts), 0, about)
    size = _number(config, "intermediate_size")
    return _Read(layers, (*attention, *_dense(config, depth, size)), size)


def _nemotron(config: Config) -> _Read | Unknown:
    """Nemotron-H: M is a Mamba-2 layer, * attends, - is an MLP and E a mixture without gates."""
    if config.get("moe_latent_size"):
        return Unknown("NemotronHForCausalLM with latent experts")
    pattern = str(config.get("hybrid_override_pattern") or "")
    if not pattern or set(pattern) - set("M*-E"):
        raise _Missing("hybrid_override_pattern")
    hidden, groups = _number(config, "hidden_size"), _number(config, "n_groups")
    heads, state = _number(config, "mamba_num_heads"), _number(config, "ssm_state_size")
    inner, mixed = heads * _number(config, "mamba_head_dim"), 2 * groups * state
    kernel = _number(config, "conv_kernel")
    mamba = pattern.count("M")
    weights = hidden * (2 * inner + mixed + heads) + (inner + mixed) * kernel + inner * hidden
    recurrent = Layers(
        Kind.LINEAR,
        mamba,
        state=inner * state,
        state_bytes=4 if config.get("mamba_ssm_cache_dtype") == "float32" else 2,
        convolution=(inner + mixed) * (kernel - 1),
    )
    size = _number(config, "intermediate_size")
    tensors = [*_grouped(config, pattern.count("*")), Tensors(Part.LINEAR, mamba * weights, depth=mamba)]
    if plain := pattern.count("-"):
        tensors.append(Tensors(Part.MLP, plain * 2 * hidden * size, depth=plain))
    about = None
    if sparse := pattern.count("E"):
        count, moe = _number(config, "n_routed_experts"), _number(config, "moe_intermediate_size")
        about = Experts(count, _number(config, "num_experts_per_tok"), moe)
        shared = int(config.get("moe_shared_expert_intermediate_size") or 0)
        tensors += [
            Tensors(Part.EXPERTS, sparse * count * 2 * hidden * moe, depth=sparse),
            Tensors(Part.ROUTER, sparse * hidden * count, 1),
            Tensors(Part.SHARED, sparse * 2 * hidden * shared, depth=sparse),
        ]
    return _Read((_caching(config, Kind.FULL, pattern.count("*")), recurrent), tuple(tensors), size, about)


_GEMMA3 = {"num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256, "vocab_size": 262208}

DEFAULTS: Mapping[str, Config] = {"Gemma3ForCausalLM": _GEMMA3, "Gemma3ForConditionalGeneration": _GEMMA3}
"""Values of the configuration class that repositories leave out."""

READERS: Mapping[str, Callable[[Config], _Read | Unknown]] = {
    **dict.fromkeys(
        (
            "LlamaForCausalLM",
            "MiMoForCausalLM",
            "Mistral3ForConditionalGeneration",
            "MistralForCausalLM",
            "Phi3ForCausalLM",
            "Qwen2ForCausalLM",
            "Qwen3ForCausalLM",
            "Qwen3VLForConditionalGeneration",
        ),
        _plain,
    ),
    "Gemma2ForCausalLM": _gemma2,
    "Gemma3ForCausalLM": _gemma3,
    "Gemma3ForConditionalGeneration": _gemma3,
    "MixtralForCausalLM": _mixtral,
    "MiniMaxM2ForCausalLM": _minimax,
    "GptOssForCausalLM": _gpt_oss,
    **dict.fromkeys(("Qwen2MoeForCausalLM", "Qwen3MoeForCausalLM", "Qwen3VLMoeForConditionalGeneration"), _qwen_moe),
    "Glm4MoeForCausalLM": _glm4_moe,
    **dict.fromkeys(
        (
            "DeepseekV2ForCausalLM",
            "DeepseekV3ForCausalLM",
            "DeepseekV32ForCausalLM",
            "GlmMoeDsaForCausalLM",
            "KimiK25ForConditionalGeneration",
        ),
        _deepseek,
    ),
    "Llama4ForConditionalGeneration": _llama4,
    **dict.fromkeys(
        ("Qwen3NextForCausalLM", "Qwen3_5ForConditionalGeneration", "Qwen3_5MoeForConditionalGeneration"), _qwen_next
    ),
    "NemotronHForCausalLM": _nemotron,
}
