"""Disaggregated and aggregated serving give the same tokens with the same log-probabilities."""

import pytest

from tests.vllm.pair import Pair, chat_tokens, same, text, tokens

pytestmark = pytest.mark.vllm
GREEDY = {"temperature": 0, "max_tokens": 32, "ignore_eos": True}


def test_up_prints_transfers_and_substitutions(pair: Pair) -> None:
    said = pair.said
    assert "KV transfer over NIXL to ms-pd-llm-d-modelservice-decode" in said
    assert "simulated on the CPU" not in said
    for name in ("model", "--tensor-parallel-size", "--kv-transfer-config", "VLLM_CPU_KVCACHE_SPACE"):
        assert f"\n  {name}: " in said


@pytest.mark.parametrize("length", [60, 900])
def test_a_chat_has_the_same_tokens(pair: Pair, length: int) -> None:
    body = {**GREEDY, "messages": [{"role": "user", "content": text(length, "chat")}], "logprobs": True}
    status, answer = pair.ask("/v1/chat/completions", body)
    assert status == 200, answer
    assert len(chat_tokens(answer)) == 32
    same(chat_tokens(answer), chat_tokens(pair.alone("/v1/chat/completions", body)))


def test_a_completion_of_several_blocks_has_the_same_tokens_twice(pair: Pair) -> None:
    body = {**GREEDY, "prompt": text(700, "several"), "logprobs": 1}
    status, first = pair.ask("/v1/completions", body)
    assert status == 200, first
    again = pair.ask("/v1/completions", body)[1]
    alone = pair.alone("/v1/completions", body)
    same(tokens(first), tokens(alone))
    same(tokens(again), tokens(alone))


def test_a_stream_has_the_same_tokens(pair: Pair) -> None:
    body = {**GREEDY, "prompt": text(300, "stream"), "logprobs": 1}
    events = list(pair.stream("/v1/completions", body))
    streamed = [one for event in events if event["choices"] for one in tokens(event)]
    same(streamed, tokens(pair.alone("/v1/completions", body)))
    assert events[-1]["usage"]["completion_tokens"] == 32


def test_the_answer_depends_on_the_prompt(pair: Pair) -> None:
    """If it did not, equal answers would prove nothing."""
    bodies = [{**GREEDY, "prompt": text(300, seed), "logprobs": 1} for seed in ("one", "two")]
    one, two = (tokens(pair.alone("/v1/completions", body)) for body in bodies)
    assert [token for token, _ in one] != [token for token, _ in two]
