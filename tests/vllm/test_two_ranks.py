"""Prefill with one rank, decode with two: the last proof, because nothing else fits beside three engines."""

import pytest

from tests.vllm.pair import STACK, Pair, same, sandbox, text, tokens

pytestmark = pytest.mark.vllm
ROUNDING = 0.15
"""Largest difference of a log-probability: two ranks add bfloat16 products in another order (0.06 in four prompts)."""


def test_blocks_of_one_rank_reach_two(pair: Pair) -> None:
    body = {"prompt": text(500, "ranks"), "max_tokens": 16, "temperature": 0, "ignore_eos": True, "logprobs": 1}
    done = sandbox(pair.home, "up", "--stack", STACK, "--model-server", "vllm", "--model-server-tp", "2")
    assert done.returncode == 0, done.stdout
    assert "--tensor-parallel-size: 4 → 2" in done.stdout
    alone = pair.alone("/v1/completions", body)
    grown = pair.transferred(lambda: same(tokens(pair.ask("/v1/completions", body)[1]), tokens(alone), ROUNDING))
    assert grown.transfers == 2
    assert grown.transferred == 4 * pair.block
