"""How many bytes a weight takes: `quantization_config` of config.json, or `hf_quant_config.json` beside it.

Bytes per parameter include scales: blocks of 128 by 128 add less than 0.1 %, groups of 128 with 16-bit scale and 4-bit
zero point 0.02 bytes, groups of 32 with 16-bit scale 0.06, MXFP4 1/32, NVFP4 1/16.
"""

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from sizing.parts import Part, Unknown

Config = Mapping[str, Any]
Depths = Mapping[Part, int]
"""Layers that have each part."""

KEPT = frozenset({Part.EMBEDDING, Part.HEAD, Part.ROUTER, Part.VISION, Part.OTHER})
"""Parts that no method quantizes, as vLLM loads them: they are no linear layers, or always excluded."""

WORDS: Mapping[Part, tuple[str, ...]] = {
    Part.ATTENTION: ("self_attn", "attn", "q_proj", "attention"),
    Part.SHARED: ("shared_expert", "shared_head_mlp"),
    Part.EXPERTS: ("experts",),
    Part.LINEAR: ("linear_attn", "mamba", "mixer"),
}
"""Words in the names of modules by which an exclusion list means a part. `mlp` means the dense MLP."""

FP8, MXFP4, NVFP4 = 1.0, 0.5 + 1 / 32, 0.5 + 1 / 16


class Quantization(NamedTuple):
    """Bytes per parameter of the quantized parts, and which parts stay as they are."""

    method: str = ""
    size: float = 2.0
    kept: Mapping[Part, float] = MappingProxyType({})
    """Fraction of a part's layers that is not quantized, besides `KEPT`."""
    cache_fp8: bool = False
    """Whether the checkpoint asks for an FP8 KV cache, which vLLM takes from some methods and versions only."""
    computes_in: str = "bf16"
    """Type of the matrix products: `fp8` and `fp4` only where weights and activations are in that type."""
    padded: bool = False
    """Whether the kernel pads experts to whole tiles (MXFP4)."""

    def bytes_of(self, part: Part, dtype: int) -> float:
        """Bytes of one parameter of a part; `dtype`: bytes of the model's own type."""
        if not self.method or part in KEPT:
            return dtype
        kept = self.kept.get(part, 0.0)
        return kept * dtype + (1 - kept) * self.size


def read(config: Config | None, depths: Depths, sidecar: Config | None = None) -> Quantization | Unknown:
    """Read the quantization of a model with so many layers of each part; `sidecar`: hf_quant_config.json."""
    if sidecar and "quantization" in sidecar:
        return _modelopt(sidecar["quantization"], depths)
    if not config:
        return Quantization()
    method = str(config.get("quant_method", "")).replace("_", "-")
    if method in ("fp8", "fbgemm-fp8"):
        kept = config.get("modules_to_not_convert") or config.get("ignored_layers") or []
        return Quantization(method, FP8, _kept(kept, depths), computes_in="fp8")
    if method in ("gptq", "awq"):
        bits, group = config.get("bits", config.get("w_bit")), config.get("group_size", config.get("q_group_size", 128))
        if bits not in (4, 8):
            return Unknown(f"{method} with {bits} bits")
        scales = (2 + bits / 8) / group if group and group > 0 else 0
        return Quantization(method, bits / 8 + scales, _kept(config.get("modules_to_not_convert") or [], depths))
    if method == "mxfp4":
        names = config.get("modules_to_not_convert") or []
        return Quantization(method, MXFP4, {Part.ATTENTION: 1.0, **_kept(names, depths)}, padded=True)
    if method == "compressed-tensors":
        return _compressed(config, depths)
    if method == "quark":
        return _quark(config, depths)
    if method == "modelopt":
        return _modelopt(config, depths)
    return Unknown(f"quantization {method or 'without a method'}")


def _compressed(config: Config, depths: Depths) -> Quantization | Unknown:
    groups = list((config.get("config_groups") or {}).values())
    weights = [group.get("weights") or {} for group in groups]
    sizes = {_weight_size(each) for each in weights}
    if len(sizes) != 1 or None in sizes:
        return Unknown("compressed-tensors with several kinds of weights")
    (size,) = sizes
    assert size is not None
    acts = [group.get("input_activations") or {} for group in groups]
    return Quantization(
        "compressed-tensors",
        size,
        _kept(config.get("ignore") or [], depths),
        cache_fp8=(config.get("kv_cache_scheme") or {}).get("num_bits") == 8,
        computes_in=_computes(acts[0].get("num_bits"), acts[0].get("type")),
    )


def _weight_size(weights: Config) -> float | None:
    bits, group, kind = weights.get("num_bits"), weights.get("group_size"), weights.get("type")
    if bits == 8:
        return 1.0
    if bits != 4:
        return None
    if kind == "float":
        return NVFP4 if group == 16 else MXFP4
    return 0.5 + (2 / group if group and group > 0 else 0)


def _computes(bits: Any, kind: Any) -> str:
    if bits == 8:
        return "fp8" if kind == "float" else "int8"
    return "fp4" if bits == 4 and kind == "float" else "bf16"


def _quark(config: Config, depths: Depths) -> Quantization | Unknown:
    whole = config.get("global_quant_config") or {}
    weight, act = whole.get("weight") or {}, whole.get("input_tensors") or {}
    kind = str(weight.get("dtype", ""))
    size = FP8 if kind.startswith("fp8") else MXFP4 if kind.startswith("fp4") else None
    if size is None or config.get("layer_quant_config"):
        return Unknown(f"quark with weights {kind or 'of several kinds'}")
    computes = "fp8" if kind.startswith("fp8") and act else "fp4" if act else "bf16"
    kept = _kept(config.get("exclude") or [], depths)
    cache = "fp8" in str(config.get("kv_cache_quant_config") or "")
    return Quantization("quark", size, kept, cache_fp8=cache, computes_in=computes)


def _modelopt(config: Config, depths: Depths) -> Quantization | Unknown:
    algorithm = str(config.get("quant_algo", ""))
    size = {"FP8": FP8, "NVFP4": NVFP4, "W4A16_NVFP4": NVFP4}.get(algorithm)
    if size is None:
        return Unknown(f"modelopt {algorithm or 'without an algorithm'}")
    kept = _kept(config.get("exclude_modules") or config.get("ignore") or [], depths)
    cache = "FP8" in (str(config.get("kv_cache_quant_algo", "")).upper())
    return Quantization("modelopt", size, kept, cache_fp8=cache, computes_in="fp8" if size == FP8 else "fp4")


def _kept(names: Iterable[str], depths: Depths) -> dict[Part, float]:
    """Which part each name of an exclusion list means, and in how many of the layers."""
    seen: dict[Part, set[str]] = {}
    for name in names:
        part = _part(str(name))
        if part is None:
            continue
        found = re.search(r"layers\\?\.(\d+)", str(name))
        seen.setdefault(part, set()).add(found.group(1) if found else "*")
    return {
        part: 1.0 if "*" in places else min(1.0, len(places) / (depths.get(part) or 1)) for part, places in seen.items()
    }


def _part(name: str) -> Part | None:
    plain = name.replace("\\", "")
    if any(word in plain for word in ("norm", "lm_head", "embed", "visual", "vision", "conv1d", "indexer")):
        return None
    if re.search(r"(router|mlp\.gate$|\bgate$|gate\.e_score|shared_expert_gate|e_score_correction)", plain):
        return None
    for part in (Part.SHARED, Part.LINEAR, Part.EXPERTS, Part.ATTENTION):
        if any(word in plain for word in WORDS[part]):
            return part
    return Part.MLP if "mlp" in plain else None
