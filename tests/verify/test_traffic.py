"""Findings from the workers' counters."""

from dataclasses import replace

from verify.finding import Finding, Outcome
from verify.legs import Trial
from verify.metrics import worker
from verify.request import Answer
from verify.rule import ALWAYS, NEVER, Rule
from verify.traffic import judge_legs, judge_requests, judge_spread

PROMPT = "w" * 420
GOOD = Answer(200, "some tokens", 0.010, 0.050, 90, 16, marked=True)


def trial(prefill: int = 1, decode: int = 1, answer: Answer = GOOD) -> Trial:
    legs = {"prefill": {"p-1": prefill} if prefill else {}, "decode": {"d-1": decode} if decode else {}}
    return Trial(answer, legs)


def unexplained(finding: Finding) -> Finding:
    raise AssertionError(finding)


def test_always_wants_one_prefill_and_one_decode_leg_per_request() -> None:
    found = judge_legs([trial(), trial(), trial()], ALWAYS, PROMPT)

    assert found.outcome is Outcome.OK
    assert "at least 1 prefill and 1 decode legs" in found.evidence
    assert "every prompt" in found.evidence


def test_one_request_without_a_prefill_leg_is_a_silent_fallback() -> None:
    found = judge_legs([trial(), trial(prefill=0), trial()], ALWAYS, PROMPT)

    assert found.outcome is Outcome.FAILED
    assert "silent fallback" in found.meaning


def test_answers_from_prefill_workers_fail() -> None:
    found = judge_legs([trial(decode=0)], ALWAYS, PROMPT)

    assert found.outcome is Outcome.FAILED
    assert "don't come from decode workers" in found.meaning


def test_legs_of_other_clients_are_mentioned() -> None:
    found = judge_legs([trial(prefill=4, decode=4), trial()], ALWAYS, PROMPT)

    assert "some legs may come from their requests" in found.evidence


def test_a_picker_that_never_disaggregates_is_a_warning() -> None:
    found = judge_legs([trial(prefill=0)], NEVER, PROMPT)

    assert found.outcome is Outcome.WARNING
    assert "serving.routing.selectivePd" in found.remedy


def test_a_rule_that_no_prompt_can_meet_proves_nothing() -> None:
    assert judge_legs([trial(prefill=0)], Rule(100_000, "characters"), PROMPT).outcome is Outcome.UNSEEN
    assert judge_legs([trial(prefill=0)], None, PROMPT).outcome is Outcome.UNSEEN


def test_an_http_error_is_explained() -> None:
    answer = replace(GOOD, status=429, text="no decode workers")
    found = judge_requests([trial(answer=answer)], unexplained, asked=True)

    assert found.outcome is Outcome.FAILED
    assert found.evidence == "HTTP 429 no decode workers"
    assert "no Ready decode worker" in found.meaning


def test_an_empty_answer_fails() -> None:
    found = judge_requests([trial(answer=replace(GOOD, text=""))], unexplained, asked=True)
    assert found.outcome is Outcome.FAILED


def test_an_idle_prefill_worker_is_a_warning_once_others_worked() -> None:
    before = {"a": replace(worker(""), finished=90), "b": worker("")}
    after = {**before, "a": replace(before["a"], finished=93)}

    assert judge_spread(before, after, ["a", "b"]).outcome is Outcome.WARNING
    assert "never: b" in judge_spread(before, after, ["a", "b"]).evidence
    few = {"a": replace(worker(""), finished=3), "b": worker("")}
    assert judge_spread({"a": worker(""), "b": worker("")}, few, ["a", "b"]).outcome is Outcome.OK
