"""The shape of public models: parameters and bytes of the KV cache as published, and what is unknown."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from sizing import cache, shape, table
from sizing.parts import Part, Unknown
from sizing.shape import Shape

MODELS: list[dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("models.yaml").read_text())
TYPED: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("shapes.yaml").read_text())


def _shape(config: dict[str, Any]) -> Shape:
    found = shape.read(config)
    assert isinstance(found, Shape), found
    return found


def _of(name: str, **changed: Any) -> dict[str, Any]:
    (one,) = [each["config"] for each in MODELS if each["model"].endswith(name)]
    return {**one, **changed}


@pytest.mark.parametrize("model", MODELS, ids=[each["model"] for each in MODELS])
def test_parameters_are_those_of_the_model_card(model: dict[str, Any]) -> None:
    found = _shape(model["config"])
    assert found.parameters / 1e9 == pytest.approx(model["billions"], rel=0.015)
    if "active" in model:
        # Cards round, and differ in whether they count embeddings and the head.
        assert found.active / 1e9 == pytest.approx(model["active"], rel=0.13)


@pytest.mark.parametrize("model", MODELS, ids=[each["model"] for each in MODELS])
def test_a_token_takes_as_many_bytes_as_published(model: dict[str, Any]) -> None:
    assert cache.token_bytes(_shape(model["config"]), 1) == model["kv"]


COPIES = {
    "moonshotai/Kimi-K2-Thinking": "moonshotai/Kimi-K2-Instruct",
    "RedHatAI/Llama-3.3-70B-Instruct-FP8-dynamic": "meta-llama/Llama-3.3-70B-Instruct",
    "amd/Llama-3.3-70B-Instruct-FP8-KV": "meta-llama/Llama-3.3-70B-Instruct",
}
"""Shipped shapes of copies, and what they are quantized copies of."""


def test_each_shipped_shape_is_that_of_the_published_file() -> None:
    published, seen = {each["model"]: _shape(each["config"]) for each in MODELS}, set()
    for each in json.loads(table.FILE.read_text()):
        shipped = _shape(each["config"])
        for name in {each["name"], *each.get("same", [])} & published.keys():
            seen.add(each["name"])
            same = replace(published[name], longest=published[name].longest or shipped.longest)
            assert shipped == same, name
        if original := COPIES.get(each["name"]):
            seen.add(each["name"])
            assert (shipped.tensors, shipped.layers) == (published[original].tensors, published[original].layers)
        assert each["name"] in seen


@pytest.mark.parametrize("name", TYPED["layers"])
def test_layers_differ_by_what_they_cache(name: str) -> None:
    layers = _shape(_of(name)).layers
    assert [[each.kind.value, each.count, each.window] for each in layers] == TYPED["layers"][name]


def test_layer_types_beat_patterns_of_the_class() -> None:
    config = _of("gpt-oss-20b", layer_types=["full_attention"] * 20 + ["sliding_attention"] * 4)
    assert [each.count for each in _shape(config).layers] == [20, 4]


@pytest.mark.parametrize(("name", "changed", "reason"), TYPED["unknown"], ids=str)
def test_what_cannot_be_read_is_unknown_by_name(name: str | None, changed: dict[str, Any], reason: str) -> None:
    assert shape.read(_of(name, **changed) if name else changed) == Unknown(reason)
    assert str(Unknown(reason)) == f"unknown: {reason}"


@pytest.mark.parametrize(("quantization", "part", "size", "computes_in"), TYPED["quantized"], ids=str)
def test_a_quantized_parameter(quantization: dict[str, Any], part: str, size: float, computes_in: str) -> None:
    found = _shape(_of("Llama-3.1-8B-Instruct", quantization_config=quantization)).quantization
    assert found.bytes_of(Part(part), 2) == pytest.approx(size)
    assert found.computes_in == computes_in


def test_names_of_a_mixture_mean_their_own_part() -> None:
    names = ["lm_head", "re:.*mlp.gate$", "model.layers.3.mlp.shared_experts.up_proj", "re:.*self_attn.*"]
    group = {"targets": ["Linear"], "weights": {"num_bits": 4, "group_size": 32, "type": "int"}}
    given = {"quant_method": "compressed-tensors", "config_groups": {"group_0": group}, "ignore": names}
    found = _shape(_of("DeepSeek-R1", quantization_config=given)).quantization
    assert found.bytes_of(Part.EXPERTS, 2) == 0.5625
    assert found.bytes_of(Part.ATTENTION, 2) == 2
    assert found.bytes_of(Part.SHARED, 2) == pytest.approx(0.5625 + (2 - 0.5625) / 58)


def test_the_file_beside_the_configuration_says_how_modelopt_quantized() -> None:
    sidecar = {"quantization": {"quant_algo": "FP8", "kv_cache_quant_algo": "FP8", "exclude_modules": ["lm_head"]}}
    found = shape.read(_of("Llama-3.3-70B-Instruct"), sidecar)
    assert isinstance(found, Shape)
    assert (found.quantization.size, found.quantization.cache_fp8, found.quantization.computes_in) == (1, True, "fp8")


def test_the_indexer_of_sparse_attention_caches_a_key_of_its_own() -> None:
    config = _of("DeepSeek-R1", architectures=["DeepseekV32ForCausalLM"], index_head_dim=128, index_n_heads=64)
    assert cache.token_bytes(_shape(config), 1) == 61 * (576 * 2 + 132)
    config["indexer_types"] = ["full"] * 21 + ["shared"] * 40
    assert cache.token_bytes(_shape(config), 1) == 61 * 576 * 2 + 21 * 132
