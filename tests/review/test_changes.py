"""Changes read from Pulumi's JSON (changes.yaml): one per resource, with its fields and without secrets."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.pods import change_cost
from review import changes
from review.changes import read
from review.fields import SECRET, Field, differences

TYPED: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("changes.yaml").read_text())


def _step(said: dict[str, Any]) -> dict[str, Any]:
    """A step of a Deployment; `old` and `new` are its inputs."""
    if "urn" in said:
        return said
    labels = {"labels": {"llm-d.ai/instance": said["instance"]}} if "instance" in said else {}
    about = {"kind": "Deployment", "metadata": {"name": said["name"], "namespace": "llm", **labels}}
    made = {key: value for key, value in said.items() if key not in ("name", "instance", "old", "new")}
    for side in said.keys() & {"old", "new"}:
        kind = "kubernetes:apps/v1:Deployment"
        made[f"{side}State"] = {"type": kind, "custom": True, "inputs": {**about, **said[side]}}
    return {"urn": f"urn:pulumi:amd::p::x$kubernetes:apps/v1:Deployment::{said['name']}", **made}


@pytest.mark.parametrize("case", TYPED["previews"].values(), ids=TYPED["previews"])
def test_a_preview(case: dict[str, Any]) -> None:
    document = {**case, "steps": list(map(_step, case.get("steps", [])))}
    found = read("amd", f"a line before\n{json.dumps(document)}\nand one after")
    if "changes" in case:
        assert [[one.operation, one.subject] for one in found.changes] == case["changes"]
    by_subject = {one.subject: one for one in found.changes}
    for subject, fields in case.get("fields", {}).items():
        assert by_subject[subject].fields == tuple(Field(*each) for each in fields)
    for subject, reasons in case.get("reasons", {}).items():
        assert by_subject[subject].reasons == tuple(reasons)
    assert found.unchanged == case.get("unchanged", 0)
    for word in case.keys() & {"errors", "costs"}:
        assert getattr(found, word) == tuple(case[word])
    assert found.sizing == case.get("sizing", "")


def test_a_text_without_json_is_the_error() -> None:
    assert read("amd", "error: \x1b[1mno stack named 'amd'").errors == ("error: no stack named 'amd'",)
    assert read("amd", "").errors == ("Pulumi printed nothing",)


def test_the_program_writes_the_words_before_the_cost() -> None:
    assert changes.COST == change_cost.TITLE


@pytest.mark.parametrize(("before", "after", "fields"), TYPED["differences"])
def test_the_fields_that_differ(before: Any, after: Any, fields: list[list[Any]]) -> None:
    assert differences(before, after) == [Field(*each) for each in fields]


@pytest.mark.parametrize("change", TYPED["secrets"], ids=str)
def test_tokens_and_keys_are_not_shown(change: dict[str, Any]) -> None:
    for before, after in (({}, change), (change, {})):
        found = str(differences(before, after))
        assert "hush" not in found and SECRET in found
