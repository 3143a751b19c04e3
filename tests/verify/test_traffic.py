"""Findings from the workers' counters."""

from dataclasses import replace

import pytest

from verify.finding import Finding, Outcome
from verify.legs import Trial
from verify.metrics import worker
from verify.request import Answer
from verify.rule import ALWAYS, NEVER, Rule
from verify.traffic import judge_legs, judge_requests, judge_spread

GOOD = Answer(200, "some tokens", 0.010, 0.050, 90, 16, marked=True)


def trial(prefill: int = 1, decode: int = 1, answer: Answer = GOOD) -> Trial:
    legs = {"prefill": {"p-1": prefill} if prefill else {}, "decode": {"d-1": decode} if decode else {}}
    return Trial(answer, legs)


def unexplained(finding: Finding) -> Finding:
    raise AssertionError(finding)


OTHERS = "some legs may come from their requests"
FALLBACK = [trial(), trial(prefill=0), trial()]


@pytest.mark.parametrize(
    ("trials", "rule", "outcome", "words"),
    [
        ([trial()] * 3, ALWAYS, Outcome.OK, ["at least 1 prefill and 1 decode legs", "every prompt"]),
        (FALLBACK, ALWAYS, Outcome.FAILED, ["silent fallback"]),
        ([trial(decode=0)], ALWAYS, Outcome.FAILED, ["don't come from decode workers"]),
        ([trial(prefill=4, decode=4), trial()], ALWAYS, Outcome.OK, [OTHERS]),
        ([trial(prefill=0)], NEVER, Outcome.WARNING, ["serving.routing.selectivePd"]),
        ([trial(prefill=0)], Rule(100_000, "characters"), Outcome.UNSEEN, []),
        ([trial(prefill=0)], None, Outcome.UNSEEN, []),
    ],
    ids=[
        "both legs",
        "a silent fallback",
        "no decode leg",
        "other clients",
        "never",
        "a rule that is never met",
        "none",
    ],
)
def test_legs(trials: list[Trial], rule: Rule | None, outcome: Outcome, words: list[str]) -> None:
    found = judge_legs(trials, rule, "w" * 420)
    assert found.outcome is outcome
    assert all(word in f"{found.evidence} {found.meaning} {found.remedy}" for word in words), found


def test_an_http_error_is_explained_and_an_empty_answer_fails() -> None:
    answer = replace(GOOD, status=429, text="no decode workers")
    found = judge_requests([trial(answer=answer)], unexplained, asked=True)
    assert (found.outcome, found.evidence) == (Outcome.FAILED, "HTTP 429 no decode workers")
    assert "no Ready decode worker" in found.meaning
    empty = judge_requests([trial(answer=replace(GOOD, text=""))], unexplained, asked=True)
    assert empty.outcome is Outcome.FAILED


def test_an_idle_prefill_worker_is_a_warning_once_others_worked() -> None:
    before = {"a": replace(worker(""), finished=90), "b": worker("")}
    after = {**before, "a": replace(before["a"], finished=93)}
    assert judge_spread(before, after, ["a", "b"]).outcome is Outcome.WARNING
    assert "never: b" in judge_spread(before, after, ["a", "b"]).evidence
    few = {"a": replace(worker(""), finished=3), "b": worker("")}
    assert judge_spread({"a": worker(""), "b": worker("")}, few, ["a", "b"]).outcome is Outcome.OK
