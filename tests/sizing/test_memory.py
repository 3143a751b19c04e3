"""Memory against published start-up logs of vLLM, and its arithmetic."""

import json
from operator import attrgetter
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


@pytest.mark.parametrize(("said", "of", "least", "most"), TYPED["fits"], ids=str)
def test_what_a_worker_has(said: dict[str, Any], of: str, least: float, most: float) -> None:
    found = attrgetter(of)(_one(**said))
    assert least <= (found() if callable(found) else found) <= most


def test_ranks_of_decode_context_parallelism_share_a_sequence() -> None:
    spread = _one("deepseek-ai/DeepSeek-R1", "H200", tensor_parallel=8, context_parallel=8)
    assert spread.cache.needs(32000) == 250


def test_versions_differ() -> None:
    old, new = _one(card="H200", version="0.16.0"), _one(card="H200", version="0.17.0")
    assert old.activation.likely - new.activation.likely == pytest.approx(2.8, abs=0.1)
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


@pytest.mark.parametrize(("model", "ranks", "word"), TYPED["ranks"])
def test_tensor_parallelism_that_a_shape_allows(model: str, ranks: int, word: str) -> None:
    found = memory.invalid(shape_of(model), Flags(tensor_parallel=ranks))
    assert bool(found) == bool(word)
    assert word in " ".join(found)


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
