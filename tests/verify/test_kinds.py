"""Kinds of requests: what is sent."""

from verify.kinds import CHAT, NUMBERS, TEXTS, requests


def test_each_kind_is_as_long_as_the_text_that_is_disaggregated() -> None:
    sent = requests(lambda: "abc def", 60)
    assert sent[CHAT] == ("/v1/chat/completions", {"messages": [{"role": "user", "content": "abc def"}]})
    assert sent[TEXTS] == ("/v1/completions", {"prompt": ["abc def", "abc def"]})
    path, body = sent[NUMBERS]
    assert (path, len(body["prompt"])) == ("/v1/completions", 240)
    assert all(100 <= number < 1100 for number in body["prompt"])
