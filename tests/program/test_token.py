"""The Hugging Face token is in one Secret, marked as secret, and nowhere else."""

import json
from base64 import b64encode
from typing import Any

import pytest
from google.protobuf import json_format

from tests.program.wire import AMD, changed
from tests.recorder import SECRET, run_program
from tests.stack_file import problems

TOKEN = "hf_veryprivate"
CODED = b64encode(TOKEN.encode()).decode()


def test_the_token_is_in_one_secret_and_marked() -> None:
    recorder = run_program(AMD, token=TOKEN)
    texts = {
        each.name: json.dumps(json_format.MessageToDict(each.request.object)) for each in recorder.declared.values()
    }
    assert [name for name, text in texts.items() if CODED in text] == ["serving-namespace-token"]
    assert not [name for name, text in texts.items() if TOKEN in text]
    [secret] = [each for each in recorder.declared.values() if each.name == "serving-namespace-token"]
    data = secret.inputs["data"]
    marked = data if SECRET in data else data["HF_TOKEN"]
    assert SECRET in marked, "the engine would keep it in clear in the state"


def test_the_token_is_in_no_output_and_no_message() -> None:
    recorder = run_program(AMD, token=TOKEN)
    said = json.dumps([recorder.outputs, recorder.messages])
    assert TOKEN not in said
    assert CODED not in said


def test_a_rotated_token_changes_the_secret_only() -> None:
    assert changed(run_program(AMD, token="hf_one"), run_program(AMD, token="hf_two")) == {"serving-namespace-token"}


def test_another_name_of_the_secret() -> None:
    recorder = run_program({**AMD, "model": {**AMD["model"], "tokenSecret": "my-token"}})
    assert recorder.objects["Secret/my-token"]["metadata"]["name"] == "my-token"
    without = run_program({**AMD, "model": {**AMD["model"], "tokenSecret": None}}, token=None)
    assert not [key for key in without.objects if key.startswith("Secret/llm-d-hf")]


def test_no_token_where_the_stack_makes_the_namespace_is_refused() -> None:
    found = problems(token_given=False)
    assert list(found) == ["hfToken"]
    assert "every worker would wait for it until the timeout" in found["hfToken"].outcome
    assert "serving.createNamespace: false" in found["hfToken"].change


@pytest.mark.parametrize(
    "change", [{"createNamespace": False}, {"model__tokenSecret": None}, {"model__tokenSecret": "null"}]
)
def test_a_token_is_not_demanded_where_none_is_needed_or_a_secret_can_exist(change: dict[str, Any]) -> None:
    assert problems(token_given=False, **change) == {}
