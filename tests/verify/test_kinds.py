"""Kinds of requests: what is sent, and what is said of their paths."""

from dataclasses import replace

from tests.verify.test_traffic import GOOD, trial
from verify.finding import Outcome
from verify.kinds import CHAT, NUMBERS, TEXTS, judge, requests

REFUSED = trial(prefill=0, decode=0, answer=replace(GOOD, status=400, text="inference error: must have prompt field"))


def test_each_kind_is_as_long_as_the_text_that_is_disaggregated() -> None:
    sent = requests(lambda: "abc def", 60)
    assert sent[CHAT] == ("/v1/chat/completions", {"messages": [{"role": "user", "content": "abc def"}]})
    assert sent[TEXTS] == ("/v1/completions", {"prompt": ["abc def", "abc def"]})
    path, body = sent[NUMBERS]
    assert (path, len(body["prompt"])) == ("/v1/completions", 240)
    assert all(100 <= number < 1100 for number in body["prompt"])


def test_kinds_that_the_epp_never_disaggregates_are_named() -> None:
    found = judge({CHAT: trial(), NUMBERS: REFUSED, TEXTS: trial(prefill=0)}, wanted=True)
    assert found.outcome is Outcome.OK
    assert found.evidence == (
        "text as above; chat: prefill → decode; token numbers: HTTP 400 inference error: must have prompt field; a "
        "list of texts: decode. This EPP never disaggregates token numbers and a list of texts"
    )


def test_a_chat_that_takes_another_path_than_text_is_a_warning() -> None:
    for chat in (REFUSED, trial(prefill=0)):
        assert judge({CHAT: chat, NUMBERS: trial(), TEXTS: trial()}, wanted=True).outcome is Outcome.WARNING
    assert judge({CHAT: trial(prefill=0), NUMBERS: trial(), TEXTS: trial()}, wanted=False).outcome is Outcome.OK
