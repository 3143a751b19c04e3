"""Keys beside `serving`: the token, encrypted values, the report. `tests/corpus/files/keys.yaml` has wrong keys."""

import json
from typing import Any

import pulumi
import pytest

from tests.recorder import run_program
from tests.stack_file import stack_file

PREFIX = "llm-d-pd:"


def refusal(*args: object, **more: object) -> str:
    """The text of the program's refusal; it must not have declared anything."""
    with pytest.raises(pulumi.RunError) as caught:
        run_program(*args, **more)  # type: ignore[arg-type]
    return str(caught.value)


@pytest.mark.parametrize(
    "given",
    [{"more": {PREFIX + "hftoken": "hf_abc"}}, {"token": "hf_abc", "secrets": ()}],
)
def test_a_value_that_may_be_a_token_is_not_shown(given: dict[str, Any]) -> None:
    assert "hf_abc" not in refusal(stack_file(), **given)


def test_keys_of_others_are_none_of_our_business() -> None:
    assert run_program(stack_file(), more={"aws:region": "eu-west-1", "pulumi:tags": "{}"}).declared


def test_an_encrypted_value_inside_serving_is_refused_and_nothing_of_it_shown() -> None:
    serving = stack_file(prefill__env={"X Y": "hf_abc"}, postfix="hf_ABC")
    text = refusal(serving, secrets=(PREFIX + "serving", PREFIX + "hfToken"))
    assert "serving\n  wrong:   holds an encrypted value (secure:)" in text
    assert "`pulumi config set --secret hfToken`" in text
    assert "hf_" not in text
    assert 'serving.prefill.env["X Y"]' in text, "the other problems are reported, without their values"


def test_an_empty_token_is_refused() -> None:
    assert "hfToken\n  wrong:   is empty" in refusal(stack_file(), token="  ")


def test_no_configuration_at_all_names_what_is_required() -> None:
    text = refusal(None)
    assert "serving.accelerator\n  wrong:   is required" in text
    assert "serving.model\n  wrong:   is required" in text


def test_the_report_counts_sorts_and_says_that_nothing_was_touched() -> None:
    text = refusal(stack_file(postfix="P", decode__replicas=0), stack="amd", token=None)
    assert text.startswith("Pulumi.amd.yaml cannot be deployed: 3 problems. Nothing was touched.\n\n1. hfToken\n")
    assert text.index("2. serving.decode.replicas = 0") < text.index("3. serving.postfix = P")


def test_long_values_are_cut() -> None:
    text = refusal(stack_file(prefill__extraArgs="x" * 500))
    assert "x" * 100 in text
    assert "x" * 200 not in text


def test_one_cause_is_one_problem() -> None:
    """A selectivePd without its one wrong key is an empty object: that is no second problem."""
    text = refusal(stack_file(routing={"selectivePd": {"threshold": "5"}}, release="0.4"))
    assert "1 problem." in text
    assert json.dumps("5").strip('"') in text
