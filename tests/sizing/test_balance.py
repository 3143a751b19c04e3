"""Rates, transfers and ratios against published measurements and recipes."""

import pytest

from sizing import balance, memory, transfer
from sizing.balance import Estimate, Load
from sizing.flags import Flags
from sizing.rates import efficiency
from sizing.transfer import Path as Way
from tests.sizing import page
from tests.sizing.known import CARDS, LLAMA, shape_of
from tests.sizing.page import tier as _tier


def test_the_printed_band_is_what_published_rates_were_off() -> None:
    """Nine of ten measured rates of each kind of model and GPU lie in it, and not in a smaller one."""
    for several in page.rates().values():
        about = efficiency(shape_of(several[0].model), CARDS[several[0].card.split()[-1]])
        assert about.band == page.band(several), about.basis


@pytest.mark.parametrize("part", ["first", "held_out"])
def test_published_layouts_are_recommended_or_differ_by_one_worker(part: str) -> None:
    """At least 80 % of them, with the tensor parallelism free."""
    found = [each for each in page.recipes(part) if each.leaves_a_choice]
    assert len(found) >= 12
    assert sum(each.near for each in found) >= 0.8 * len(found)
    assert sum(each.exact for each in found) >= 0.5 * len(found)


def test_a_transfer_counts_copies_and_not_windows() -> None:
    """Llama-3.3-70B: 320 KiB a token in all; 16 ranks of 8 KV heads hold it twice."""
    llama = shape_of(LLAMA)
    assert transfer.prompt_bytes(llama, 1000, 1) == transfer.prompt_bytes(llama, 1000, 8) == 1000 * 327680
    assert transfer.prompt_bytes(llama, 1000, 16) == 2000 * 327680
    assert transfer.prompt_bytes(llama, 1000, 1, "fp8") == 500 * 327680
    assert transfer.prompt_bytes(shape_of("deepseek-ai/DeepSeek-R1"), 1000, 8) == 1000 * 70272
    windowed = transfer.prompt_bytes(shape_of("openai/gpt-oss-120b"), 8192, 1)
    assert windowed == 18 * 2048 * (8192 + 128)


def test_a_transfer_is_as_fast_as_its_narrow_end() -> None:
    llama = shape_of(LLAMA)
    one = transfer.transfer(llama, 8000, (1, 4), Way.RDMA)
    assert one.links == 1
    assert one.rate == pytest.approx(42.5e9)
    assert one.seconds == pytest.approx(0.001 + 8000 * 327680 / 42.5e9)
    assert transfer.transfer(llama, 8000, (4, 4), Way.RDMA).rate == pytest.approx(130e9)
    assert transfer.transfer(llama, 8000, (1, 4), Way.TCP).seconds == pytest.approx(6.55, abs=0.05)
    assert one.worst == 2 * one.seconds


def _estimate(load: Load, x: int = 4, y: int = 1) -> Estimate:
    return balance.estimate(_tier(LLAMA, "H200", 1, x), _tier(LLAMA, "H200", 4, y), load)


def test_measured_rates_replace_predicted_ones() -> None:
    load = Load(1000, 100, measured_prefill=10_000, measured_decode=2_000)
    found = _estimate(load)
    assert found.limit == pytest.approx(min(4 * 10_000 * 0.9 / 1000, 2_000 * 0.92 / 100))
    assert found.binds == "decode"
    found = _estimate(Load(10_000, 100, measured_prefill=4_000, measured_decode=2_000))
    assert found.binds == "prefill"
    assert found.limit == pytest.approx(4 * 4_000 * 0.9 / 10_000)


def test_cached_prompts_need_fewer_prefill_workers() -> None:
    cold = Load(8000, 500, requests_per_second=8)
    warm = Load(8000, 500, requests_per_second=8, prefix_hit_rate=0.75)
    one = _tier(LLAMA, "H200", 1), _tier(LLAMA, "H200", 4)
    assert balance.counts(*one, cold)[0] > balance.counts(*one, warm)[0]
    assert balance.counts(*one, cold)[1] == balance.counts(*one, warm)[1]


def test_aggregated_serving_is_better_for_short_prompts() -> None:
    tight = Load(8000, 500, itl=0.03)
    easy = Load(200, 1000, itl=0.2)
    assert balance.gain(_estimate(tight), tight) > balance.gain(_estimate(easy, 1, 2), easy)


def test_a_single_stream_gains_nothing_from_a_second_tier() -> None:
    alone = Load(4000, 500, concurrency=1)
    assert 0.5 < balance.gain(_estimate(alone), alone) < 1.2


def test_ranks_of_decode_context_parallelism_divide_the_gpus() -> None:
    shape = shape_of("deepseek-ai/DeepSeek-R1")
    assert memory.invalid(shape, Flags(tensor_parallel=4, context_parallel=8)) == [
        "8 ranks of decode context parallelism do not divide 4 GPUs"
    ]
