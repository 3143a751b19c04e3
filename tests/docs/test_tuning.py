"""The numbers of docs/tuning.md are those of the package."""

import pytest

from sizing import balance, memory, transfer
from sizing.balance import Load, Tier
from sizing.engine import engine
from sizing.flags import Flags
from sizing.rates import Worker
from sizing.transfer import Path as Way
from tests.docs.pages import ROOT
from tests.sizing import page
from tests.sizing.known import CARDS, LLAMA, shape_of

PAGE = (ROOT / "docs/tuning.md").read_text()
FLAT = " ".join(PAGE.split())
MODELS = {"MI300X": "amd/Llama-3.3-70B-Instruct-FP8-KV", "H200": LLAMA, "H100": LLAMA}
ITL = 0.04


def _tier(card: str, ranks: int, count: int = 1) -> Tier:
    flags = Flags(tensor_parallel=ranks, max_model_len=32000, block_size=128, connector=True)
    worker = Worker(shape_of(MODELS[card]), CARDS[card], flags)
    return Tier(worker, memory.fit(worker.shape, worker.card, engine("0.17.1"), flags), count)


def _seconds(tokens: int, gbit: float, way: Way = Way.RDMA) -> float:
    return transfer.transfer(shape_of(LLAMA), tokens, (1, 4), way, gbit=gbit).seconds


@pytest.mark.parametrize("tokens", [1000, 4000, 10000, 32000])
def test_times_of_a_transfer(tokens: int) -> None:
    size = transfer.prompt_bytes(shape_of(LLAMA), tokens, 1) / 1e9
    cells = [f"{_seconds(tokens, gbit):.2f}" for gbit in (400, 100, 25, 10)]
    assert f"| {tokens:,} | {size:.2f} | {' | '.join(cells)} | {_seconds(tokens, 10, Way.TCP):.1f} |" in PAGE


def test_a_prefill_worker_and_its_link() -> None:
    rate = _tier("H200", 1).worker.prefill(10_000)
    alone = 10_000 / rate
    assert f"about {round(rate, -1):,.0f} tokens a second and needs {alone:.1f} s for 10,000 tokens" in FLAT
    shares = [_seconds(10_000, gbit) / alone for gbit in (400, 25)]
    assert f"adds {shares[0]:.0%} to the time".replace("%", " %") in FLAT
    assert f"25 Gbit/s adds {shares[1]:.0%}".replace("%", " %") in FLAT
    made = rate * 327680 / 1e9
    assert f"{made:.2f} GB/s, {made * 8:.1f} Gbit/s. Four of them produce {made * 32:.0f} Gbit/s" in FLAT


@pytest.mark.parametrize(("card", "asked", "answered"), [
    ("H200", 10_000, 1000), ("H200", 2000, 1000), ("MI300X", 10_000, 1000), ("MI300X", 2000, 1000),
])  # fmt: skip
def test_rates_and_ratios(card: str, asked: int, answered: int) -> None:
    load, decode = Load(asked, answered, itl=ITL), _tier(card, 4)
    p, d = balance.prefill_rate(_tier(card, 1), load), balance.decode_rate(decode, load)
    carried = balance.estimate(_tier(card, 1, 4), decode, load).limit
    streams = balance.streams_at(decode.worker, decode.fit, load)
    assert (
        f"| {card} | {asked:,}, {answered:,} | {p:,.0f} | {d:,.0f} | {round(streams):,} | "
        f"{asked / p / (answered / d):.1f} | {carried:.2f} requests/s |"
    ) in PAGE


def test_streams_and_the_memory_that_holds_them() -> None:
    streams = round(balance.streams_at(_tier("H200", 4).worker, _tier("H200", 4).fit, Load(10_000, 1000, itl=ITL)))
    pools = {card: 4 * _tier(card, 4).fit.pool.likely for card in ("H200", "H100")}
    need = streams * 10_500 * 327680
    assert f"{streams} streams of 10,500 tokens on average need {need / 1e9:.0f} GB" in FLAT
    assert f"has {pools['H200']:.0f} GiB for its cache" in FLAT
    assert f"Four H100 ({pools['H100']:.0f} GiB)" in FLAT
    assert pools["H100"] * 2**30 < need < 2 * pools["H100"] * 2**30
    assert need < pools["H200"] * 2**30


def test_prompts_that_a_decode_worker_computes_itself() -> None:
    rate = _tier("MI300X", 4).worker.prefill(600)
    assert f"four MI300X compute about {round(rate, -3):,.0f} prompt tokens/s" in FLAT
    assert round(ITL * rate, -2) == 500


def test_the_smallest_prefill_worker() -> None:
    fits = {card: _tier(card, 1).fit for card in MODELS}
    assert fits["MI300X"].sequences("least") > 2 and fits["H200"].sequences("least") > 2
    assert fits["H100"].sequences("most") < 1
    assert f"TP1 leaves {fits['H100'].pool.likely:.1f} GiB for KV blocks" in FLAT


def test_where_measurement_beats_prediction() -> None:
    errors, bands = (
        page.memory_errors("first", "held_out"),
        {kind: page.band(each) for kind, each in page.rates().items()},
    )
    assert f"within 5 % for {sum(each <= 0.05 for each in errors)} of {len(errors)} published logs" in FLAT
    dense = [1 + bands[f"dense models on {where}"] for where in ("NVIDIA GPUs", "Blackwell", "AMD GPUs")]
    assert f"within a factor of {dense[0]:.2f} (NVIDIA) or {dense[1]:.2f} (B200, AMD)" in FLAT
    assert dense[1] == dense[2]
    mixed = [1 + bands[f"mixtures of experts on {where}"] for where in ("NVIDIA GPUs", "AMD GPUs", "Blackwell")]
    assert "nine of ten within {:.2f} (H100, H200), {:.2f} (AMD) or {:.2f} (B200)".format(*mixed) in FLAT
