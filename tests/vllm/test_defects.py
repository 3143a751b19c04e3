"""`verify` names defects that only real vLLM shows."""

import subprocess
from collections.abc import Iterator

import pytest

from sandbox.client import pods
from tests.vllm.defects import ROUNDS, Object, Round, marked
from tests.vllm.pair import STACK, Pair, sandbox, text

pytestmark = pytest.mark.vllm
LONG = {"prompt": text(100, "cut"), "max_tokens": 3000, "temperature": 0, "ignore_eos": True}


@pytest.fixture(scope="module")
def hasty(pair: Pair) -> Iterator[dict[str, Object]]:
    """The program's pod templates by role, with a grace of one second; the tiers get the program's back."""
    templates = {role: pair.deployment(role)["spec"]["template"] for role in ("decode", "prefill")}
    yield {
        role: {**template, "spec": {**template["spec"], "terminationGracePeriodSeconds": 1}}
        for role, template in templates.items()
    }
    for role, template in templates.items():
        pair.replace_template(role, template)


def _put(pair: Pair, templates: dict[str, Object], defects: Round) -> None:
    """Give the tiers exactly these defects, and wait for their effects."""
    wrong = {one.role: one for one in defects}
    marks = {role: wrong[role].name if role in wrong else "none" for role in templates}
    for role, template in templates.items():
        pair.replace_template(role, wrong[role].applied(template) if role in wrong else marked(template, "none"))
    for role, mark in marks.items():
        pair.await_replaced(role, mark)
    for role, mark in marks.items():
        if role in wrong and not wrong[role].starts:
            pair.await_ended(role, mark)
        else:
            pair.await_started(role)


def _tried(pair: Pair, requests: int) -> "subprocess.CompletedProcess[str]":
    """An `up` that changes the number of the trial's requests, and so replaces the Job `trial`."""
    return sandbox(pair.home, "up", "--stack", STACK, "--set", f"serving.rollout.trial.requests={requests}")


def test_a_trial_passes_on_the_pair(pair: Pair) -> None:
    pair.renew_restarted()
    done = _tried(pair, 2)
    assert done.returncode == 0, done.stdout
    [job] = [one for one in pods.listed(pair.api) if "-trial-" in one.name]
    log = pair.api.text(f"{job.path}/log")
    assert log == "2 requests, 0 errors: the generation answers and disaggregates\n"


def test_a_trial_fails_after_the_block_size_of_one_tier_was_changed(pair: Pair, hasty: dict[str, Object]) -> None:
    [block_size] = [each for each in ROUNDS if each[0].name == "block size of one tier"]
    _put(pair, hasty, block_size)
    done = _tried(pair, 3)
    assert done.returncode
    assert "3 of 3 requests failed, 0 may: status 500" in done.stdout, done.stdout


@pytest.mark.parametrize("defects", ROUNDS, ids=lambda each: "+".join(one.name for one in each).replace(" ", "-"))
def test_defects_are_caught_by_name(pair: Pair, hasty: dict[str, Object], defects: Round) -> None:
    _put(pair, hasty, defects)

    found = {step: one for step, one in pair.verify().items() if one.outcome in ("FAILED", "warning")}
    for one in defects:
        assert one.step in found and one.says in found[one.step].evidence, found
    assert all(one.meaning and one.remedy for one in found.values()), found


def test_a_stream_is_cut_if_the_hook_has_no_grace(pair: Pair, hasty: dict[str, Object]) -> None:
    """It uses the workers of the last round, which serve."""
    _put(pair, hasty, ROUNDS[-1])
    pod = pair.pod("decode")
    events = pair.stream("/v1/completions", LONG)
    next(events)
    pair.api.delete(pod.path)

    with pytest.raises((AssertionError, OSError)):
        list(events)
