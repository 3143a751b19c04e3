"""Refusals of vLLM 0.17.1, directly and through gateway and routing sidecar."""

from typing import Any

import pytest

from tests.vllm.behaviours import REFUSED, TAKEN, Behaviour
from tests.vllm.pair import Pair, text

pytestmark = pytest.mark.vllm


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"max_tokens": 4, "min_tokens": 5}, 400, "min_tokens must be less than or equal to max_tokens=1, got 5"),
        ({"max_tokens": -1}, 400, "max_tokens must be at least 1, got -1"),
        ({"max_tokens": 4, "temperature": -1}, 400, "temperature must be non-negative, got -1.0"),
        ({"max_tokens": 31999}, 400, "the model's context length is only 32000 tokens"),
        ({"max_tokens": "many"}, 400, "Input should be a valid integer"),
    ],
    ids=str,
)
def test_a_refusal_reaches_the_client(pair: Pair, body: dict[str, Any], status: int, words: str) -> None:
    got, answer = pair.ask("/v1/completions", {"prompt": text(40, "refused"), **body})
    assert got == status, answer
    assert words in answer["error"]["message"]


@pytest.mark.parametrize("behaviour", REFUSED, ids=lambda each: each.title)
def test_the_table_of_refusals_matches_vllm(behaviour: Behaviour, pair: Pair) -> None:
    behaviour.judge(*pair.direct(behaviour.path, behaviour.body))


@pytest.mark.parametrize("behaviour", TAKEN, ids=lambda each: each.title)
def test_the_table_of_accepted_requests_matches_vllm(behaviour: Behaviour, pair: Pair) -> None:
    assert pair.direct(behaviour.path, behaviour.body)[0] == behaviour.status
