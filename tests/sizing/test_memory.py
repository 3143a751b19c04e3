"""Memory against published start-up logs of vLLM, and its arithmetic."""

import json
from typing import Any

import pytest

from sizing import memory, shape, table
from sizing.engine import GIB, Engine, engine
from sizing.flags import Flags
from sizing.memory import Fit
from sizing.shape import Shape
from tests.sizing import page
from tests.sizing.known import CARDS, LLAMA, shape_of

LOGS = page.parts("logs")
TYPED: dict[str, list[Any]] = page.parts("shapes")


@pytest.mark.parametrize("parts", [("first", "held_out"), ("held_out",)], ids=["all", "held out"])
def test_tokens_are_those_of_the_logs(parts: tuple[str, ...]) -> None:
    """Within 5 % for 80 % of the logs, and within 12 % for 95 % of them."""
    logs, errors = [log for part in parts for log in LOGS[part]], page.memory_errors(*parts)
    assert sum(error <= 0.05 for error in errors) >= 0.8 * len(logs)
    assert sum(error <= 0.12 for error in errors) >= 0.95 * len(logs)
    pools = [page.fit(log).pool for log in logs]
    inside = sum(pool.least <= log["pool"] <= pool.most for pool, log in zip(pools, logs, strict=True))
    assert inside >= 0.9 * len(logs)


def test_a_model_that_did_not_start_does_not_fit() -> None:
    """gpt-oss-120b on one H100 at 0.9: vLLM 0.10.1 had -2.14 GiB for the cache (vllm-project/vllm issue 23278)."""
    assert _one("openai/gpt-oss-120b", version="0.10.1", max_model_len=131072).sequences() == 0


@pytest.mark.parametrize(
    "log",
    [log for part in ("first", "held_out") for log in LOGS[part] if {"pool", "tokens"} <= log.keys()],
    ids=lambda log: log["id"],
)
def test_blocks_and_concurrency_follow_from_the_pool(log: dict[str, Any]) -> None:
    """A log's own pool, given with two decimals, makes its tokens and sequences."""
    fit, pool = page.fit(log), log["pool"] * GIB
    by_concurrency = engine(str(log["version"])).version >= (0, 22)
    tokens = fit.cache.tokens(pool, fit.length, by_concurrency=by_concurrency)
    rounded = 0.006 / log["pool"] + 0.0002
    assert tokens == pytest.approx(log["tokens"], rel=rounded, abs=fit.cache.block)
    if "sequences" in log:
        assert fit.cache.sequences(pool, fit.length) == pytest.approx(
            log["sequences"], rel=rounded, abs=0.006 + (fit.cache.block / fit.length if fit.cache.block > 16 else 0)
        )


def _one(model: str = LLAMA, card: str = "H100", version: str = "0.17.1", **flags: Any) -> Fit:
    return memory.fit(shape_of(model), CARDS[card], engine(version), Flags(**{"max_model_len": 32000, **flags}))


def test_the_shipped_stack_on_each_card() -> None:
    """70B FP8 at TP1 with 32,000 tokens: too much for 80 GB, and it fits on the others."""
    assert _one(block_size=128).pool.most < 4
    assert _one(block_size=128).sequences("most") < 1
    assert _one(card="H200", block_size=128).sequences("least") > 4
    amd = _one("amd/Llama-3.3-70B-Instruct-FP8-KV", "MI300X", block_size=128)
    assert amd.pool.likely == pytest.approx(101.2, abs=1.5)
    assert amd.sequences() == pytest.approx(10.4, abs=0.3)


def test_key_value_heads_are_copied_beyond_their_number() -> None:
    four = _one("Qwen/Qwen3-30B-A3B", tensor_parallel=4)
    eight = _one("Qwen/Qwen3-30B-A3B", tensor_parallel=8)
    assert four.cache.page == eight.cache.page


def test_a_latent_cache_is_the_same_on_every_rank() -> None:
    one, eight = (_one("deepseek-ai/DeepSeek-R1", "H200", tensor_parallel=ranks) for ranks in (1, 8))
    assert one.cache.page == eight.cache.page == 16 * 61 * 576 * 2
    spread = _one("deepseek-ai/DeepSeek-R1", "H200", tensor_parallel=8, context_parallel=8)
    assert spread.cache.needs(32000) == 250


def test_fp8_halves_a_token_and_the_connector_switches_windows_off() -> None:
    plain = _one("openai/gpt-oss-120b", "H200", version="0.17.1")
    assert _one("openai/gpt-oss-120b", "H200", kv_cache_dtype="fp8").cache.page * 2 == plain.cache.page
    paired = _one("openai/gpt-oss-120b", "H200", connector=True)
    assert (plain.hybrid, paired.hybrid) == (True, False)
    assert plain.sequences() / paired.sequences() > 1.5
    assert _one("openai/gpt-oss-120b", "H200", connector=True, hybrid=True).hybrid
    assert _one("openai/gpt-oss-120b", "H200", version="0.20.0", connector=True).hybrid


def test_versions_differ() -> None:
    old, new = _one(card="H200", version="0.16.0"), _one(card="H200", version="0.17.0")
    assert old.activation.likely - new.activation.likely == pytest.approx(2.8, abs=0.1)
    assert (_one(version="0.21.0").utilization, _one(version="0.22.0").utilization) == (0.90, 0.92)
    assert (_one(version="0.20.0").graphs.likely, _one(version="0.21.0").graphs.likely) == (0, 1.0)
    assert _one(version="0.21.0", eager=True).graphs.most == 0
    assert _one(card="MI300X", version="0.21.0").graphs.most == 0
    assert _one(card="MI300X", version="0.27.0").max_num_batched_tokens == 8192
    assert _one(card="MI300X", version="0.28.0").max_num_batched_tokens == 16384
    assert engine("v0.19.1rc1.dev71") == Engine((0, 19, 1))


@pytest.mark.parametrize("model", [LLAMA, "openai/gpt-oss-120b", "google/gemma-3-27b-it", "Qwen/Qwen3.5-27B"])
def test_the_longest_sequence_fits_and_a_block_more_does_not(model: str) -> None:
    fit = _one(model, "H200", max_num_batched_tokens=2048)
    longest, blocks = fit.longest(), fit.blocks()
    assert fit.cache.needs(longest) <= blocks < fit.cache.needs(longest + fit.cache.block)


def test_more_memory_more_gpus_and_shorter_sequences_never_fit_less() -> None:
    for model in ("Qwen/Qwen3-32B", "google/gemma-3-27b-it", "deepseek-ai/DeepSeek-V2-Lite"):
        for utilization in (0.8, 0.9, 0.95):
            pools = [_one(model, "H100", tensor_parallel=ranks, utilization=utilization) for ranks in (1, 2, 4, 8)]
            assert pools[0].pool.likely < pools[1].pool.likely < pools[2].pool.likely
        assert _one(model, utilization=0.9).pool.likely < _one(model, utilization=0.95).pool.likely
        assert _one(model).sequences(length=8000) > _one(model).sequences(length=16000)
        assert _one(model, max_model_len=1000).pool == _one(model, max_model_len=30000).pool


def test_a_state_sets_the_block() -> None:
    """Qwen3.5 and vLLM: "Setting attention block size to 528 tokens" and more, whatever `blockSize` says."""
    fit = _one("Qwen/Qwen3.5-27B", "H200", block_size=128)
    assert fit.cache.block % 16 == 0
    assert fit.cache.block > 500
    assert [group.kind for group in fit.cache.groups] == ["full", "linear", "linear", "linear"]


def test_memory_given_for_the_cache_is_the_pool() -> None:
    assert _one(kv_cache_memory=5 * GIB).pool.likely == 5


@pytest.mark.parametrize(("model", "ranks", "word"), TYPED["ranks"])
def test_tensor_parallelism_that_a_shape_allows(model: str, ranks: int, word: str) -> None:
    found = memory.invalid(shape_of(model), Flags(tensor_parallel=ranks))
    assert bool(found) == bool(word)
    assert word in " ".join(found)


def test_experts_apart_are_divided_by_all_ranks_and_attention_by_none() -> None:
    apart = _one("deepseek-ai/DeepSeek-R1", "H200", data_parallel=8, experts_apart=True).weights.likely
    together = _one("deepseek-ai/DeepSeek-R1", "H200", tensor_parallel=8).weights.likely
    assert 79 < together < 81
    assert 8 < apart - together < 15


def test_a_checkpoint_that_is_quantized_while_it_is_loaded() -> None:
    assert _one("Qwen/Qwen3-32B", quantization="fp8").weights.likely == pytest.approx(31.9, abs=0.3)


def test_the_table_has_forty_models_that_can_all_be_read() -> None:
    models = json.loads(table.FILE.read_text())
    assert len(models) >= 40
    for each in models:
        assert isinstance(shape.read(each["config"]), Shape), each["name"]


@pytest.mark.parametrize(("name", "method", "guessed"), TYPED["names"])
def test_a_name_of_the_table_or_of_a_quantized_copy(name: str, method: str, guessed: str) -> None:
    found = table.find(name)
    assert found
    assert found.guessed == guessed
    assert found.config.get("quantization_config", {}).get("quant_method", "") == method


@pytest.mark.parametrize("name", ["org/model", "meta-llama/Llama-3.3-70B-Instruct-GGUF", "/models/llama"])
def test_an_unknown_name(name: str) -> None:
    assert table.find(name) is None
