"""The numbers of docs/tuning.md follow from the formulas beside them."""

import re

import pytest

from tests.docs.pages import ROOT

TEXT = (ROOT / "docs/tuning.md").read_text().replace("\N{MULTIPLICATION SIGN}", "x")
PROSE = " ".join(TEXT.split())
BYTES = 80 * 8 * 128 * 2 * 2
"""KV cache per token: layers, KV heads, head dimension, K and V, bytes of BF16."""
REACHED = 0.85
HEADER = re.search(r"^\| prompt, tokens \|.*$", TEXT, re.MULTILINE)
ROWS = re.findall(r"^\| ([\d,]+) \| ([\d.]+) \| ([\d. |]+) \|$", TEXT, re.MULTILINE)


def test_bytes_per_token() -> None:
    assert f"80 x 8 x 128 x 2 x 2 = {BYTES:,} bytes, {BYTES // 1024} KiB" in PROSE


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_the_time_that_a_prompt_takes_on_the_network(row: tuple[str, str, str]) -> None:
    assert HEADER is not None
    rates = [int(rate) for rate in re.findall(r"(\d+) Gbit/s", HEADER[0])]
    assert rates == [400, 100, 25, 10]
    size = int(row[0].replace(",", "")) * BYTES
    assert row[1] == f"{size / 1e9:.2f}"
    assert row[2].split(" | ") == [f"{size * 8 / (rate * 1e9 * REACHED):.2f}" for rate in rates]


def test_the_worked_example() -> None:
    prompt, answer, prefill, decode, between = 10_000, 1_000, 5_000, 2_000, 0.040
    prefills, decodes = prompt / prefill, answer / decode
    rate = 1 / decodes
    streams = rate * answer * between
    cache = streams * (prompt + answer / 2) * BYTES / 1e9
    assert f"{prefills:.0f} s of prefill and {decodes} s of decode" in PROSE
    assert f"so {prefills / decodes:.0f} : 1" in PROSE
    assert f"{rate:.0f} requests/s x 1,000 tokens x 0.040 s = {streams:.0f} streams" in PROSE
    assert f"make {cache:.0f} GB of BF16 KV cache" in PROSE
    assert f"{prefill * BYTES / 1e9:.2f} GB/s, {prefill * BYTES * 8 / 1e9:.1f} Gbit/s" in PROSE
