"""Sizes in outputs and pages. `tests/cases/sizing.yaml` has what is refused, and what is a warning."""

from pathlib import Path
from typing import Any

import pytest

from components.accelerators import PROFILES
from components.config.vocabulary import Gpu
from components.plan import resolve
from tests.cases.conftest import no_cache
from tests.stack_file import problems, settings

LLAMA = "RedHatAI/Llama-3.3-70B-Instruct-FP8-dynamic"
R1 = "deepseek-ai/DeepSeek-R1"

__all__ = ["no_cache"]


def _stack(gpu: str, model: str, prefill: int = 1, decode: int = 4, **more: Any) -> dict[str, Any]:
    vendor = "amd" if gpu.startswith("MI") else "nvidia"
    tiers = {"prefill__tensorParallel": prefill, "decode__tensorParallel": decode}
    return {"accelerator": vendor, "gpu": gpu, "model__name": model, "model__tokenSecret": None, **tiers, **more}


def test_without_a_product_nothing_is_sized() -> None:
    plan = resolve(settings())
    assert plan.sized == []


def test_every_product_of_the_accelerators_is_a_word() -> None:
    """Each number of a product has a source."""
    cards = [card for profile in PROFILES.values() for card in profile.products.values()]
    assert {card.name for card in cards} == {each.value for each in Gpu}
    assert all(card.sources.keys() >= {"memory", "bandwidth", "flops"} for card in cards)


def test_a_shape_in_the_repository_beats_the_table() -> None:
    sizes = {"num_hidden_layers": 2, "hidden_size": 512, "intermediate_size": 1024, "vocab_size": 32000}
    tiny = {"architectures": ["LlamaForCausalLM"], "num_attention_heads": 8, **sizes}
    assert resolve(settings(**_stack("H100", R1, model__shape=tiny))).sized[0]["weightsGiB"] == 0.1
    assert "serving.model.shape" not in problems(**_stack("H100", R1, model__shape="../config.json"))


def test_the_cache_of_the_machine_is_looked_at_before_the_table(tmp_path: Path) -> None:
    folder = tmp_path / "hub" / "models--org--new" / "snapshots" / "abc"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text('{"architectures": ["NewForCausalLM"]}')
    notes = resolve(settings(**_stack("H100", "org/new"))).notes
    assert any("unknown: NewForCausalLM" in note for note in notes)


def test_the_table_of_the_stack_output() -> None:
    prefill, decode = resolve(settings(**_stack("MI300X", "amd/Llama-3.3-70B-Instruct-FP8-KV"))).sized
    assert (prefill["tier"], prefill["workers"], prefill["tensorParallel"]) == ("prefill", 4, 1)
    assert prefill["weightsGiB"] == 69.0
    assert prefill["cacheGiB"] == pytest.approx(105.1, abs=0.2)
    assert prefill["sequences"] == pytest.approx(10.8, abs=0.1)
    assert decode["cacheTokens"] == pytest.approx(2_036_608, rel=0.01)


def test_numbers_of_a_load_may_be_text() -> None:
    """`pulumi config set` writes fractions as text."""
    load = settings(load={"inputTokens": 10, "outputTokens": 10, "requestsPerSecond": "0.5", "itl": "30"}).load
    assert load
    assert (load.requests_per_second, load.itl) == (0.5, 30)


NVIDIA: dict[str, Any] = {"accelerator": "nvidia", "model__name": LLAMA, "rdma": {"resource": "rdma/ib"}}
LOAD = {"inputTokens": 4000, "outputTokens": 500, "requestsPerSecond": 8, "ttft": 2000, "itl": 40}
MEASURED = {"prefill": 9600, "decode": 8000}
AMD: dict[str, Any] = {"rdma": {"resource": "rdma/ib"}}


@pytest.mark.parametrize(
    "stack", [{**AMD, "gpu": "MI300X"}, {**NVIDIA, "gpu": "H200"}, {**NVIDIA, "gpu": "H200", "load": LOAD}]
)
def test_the_page_has_what_a_preview_prints(stack: dict[str, Any]) -> None:
    assert resolve(settings(**stack)).report in Path("docs/sizing.md").read_text()


def test_rows_have_rates_where_a_load_is_stated() -> None:
    plan = resolve(settings(**NVIDIA, gpu="H200", load={**LOAD, "measured": MEASURED}))
    prefill, decode = plan.sized
    assert (prefill["tokensPerSecond"], decode["tokensPerSecond"]) == (9600, 8000)
    assert (prefill["busy"], decode["busy"]) == (0.93, 0.54), "8 * 4000 / (4 * 9600 * 0.90), 8 * 500 / (8000 * 0.92)"
    assert (
        "(serving.load.measured)" in resolve(settings(**NVIDIA, gpu="H200", load={**LOAD, "measured": MEASURED})).report
    )


def test_the_page_has_the_refusal_of_the_shipped_stack() -> None:
    assert problems(gpu="H100", **NVIDIA)["serving.model.maxModelLen"].text() in Path("docs/sizing.md").read_text()
