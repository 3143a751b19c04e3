"""Prefill with one rank, decode with two. It is the last test, because three engines need all memory."""

from functools import partial

import pytest

from sandbox.cluster.api import Object
from tests.vllm.pair import STACK, Pair, agreeing, sandbox, text, tokens

pytestmark = pytest.mark.vllm
ROUNDING = 0.15
"""Largest difference of a log-probability: two ranks add bfloat16 products in another order (0.06 in four prompts, on
processors with and without bfloat16 instructions). Where two tokens are that close, either may be chosen."""
PROMPTS, LENGTH = 4, 16


def test_blocks_of_one_rank_reach_two(pair: Pair) -> None:
    ranks = ("--model-server", "vllm", "--model-server-tp", "2")
    # Without the trial of another test: the workers are started anew here, and it would ask them too early.
    done = sandbox(pair.home, "up", "--stack", STACK, *ranks, "--set", "serving.rollout.trial=null")
    assert done.returncode == 0, done.stdout
    assert "--tensor-parallel-size: 4 → 2" in done.stdout
    equal: list[int] = []

    def compare(body: Object, alone: Object) -> None:
        equal.append(agreeing(tokens(pair.ask("/v1/completions", body)[1]), tokens(alone), ROUNDING))

    for number in range(PROMPTS):
        prompt = text(500, f"ranks{number}")
        body = {"prompt": prompt, "max_tokens": LENGTH, "temperature": 0, "ignore_eos": True, "logprobs": 1}
        grown = pair.transferred(partial(compare, body, pair.alone("/v1/completions", body)))
        assert grown.transfers == 2
        assert grown.transferred == 4 * pair.block
    assert sum(equal) >= PROMPTS * LENGTH / 2, equal
