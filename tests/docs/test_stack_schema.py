"""The JSON schema of stack files accepts and refuses the same files as the program."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from components.config.schema import stack_schema
from tests.corpus.stacks import accepted, corpus
from tests.docs.stack_text import SCHEMA, problems_in
from tests.stack_file import stack_file

ROOT = Path(__file__).resolve().parents[2]
TOKEN = {"secure": "AAABAMtlK1h2V3JpdHRlbiBieSBQdWx1bWk="}

TYPED: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("stack-files.yaml").read_text())


def file_with(serving: dict[str, Any]) -> str:
    return yaml.safe_dump({"config": {"llm-d-pd:serving": serving, "llm-d-pd:hfToken": TOKEN}})


def schema_accepts(text: str) -> bool:
    return bool(SCHEMA.is_valid(yaml.safe_load(text)))


@pytest.mark.parametrize("serving", accepted(), ids=lambda serving: str(serving)[:60])
def test_both_accept(serving: dict[str, Any]) -> None:
    text = file_with(serving)
    assert [problem.text() for problem in problems_in(text)] == []
    SCHEMA.validate(yaml.safe_load(text))


WRONG = [each.config["llm-d-pd:serving"] for each in corpus() if each.name.startswith("settings-")]


@pytest.mark.parametrize(
    "serving", [*(stack_file(**each) for each in TYPED["refused"]), *WRONG], ids=lambda each: str(each)[:60]
)
def test_both_refuse(serving: dict[str, Any]) -> None:
    text = file_with(serving)
    assert problems_in(text)
    assert not schema_accepts(text)


@pytest.mark.parametrize("changes", TYPED["refused by the program"].values(), ids=str)
def test_the_program_alone_refuses(changes: dict[str, Any]) -> None:
    text = file_with(stack_file(**changes))
    assert problems_in(text)
    assert schema_accepts(text)


@pytest.mark.parametrize(("template", "accepted"), TYPED["files"], ids=str)
def test_whole_files(template: str, accepted: bool) -> None:
    text = template.replace("SERVING", json.dumps(stack_file())).replace("TOKEN", json.dumps(TOKEN))
    assert (not problems_in(text)) is accepted
    assert schema_accepts(text) is accepted


@pytest.mark.parametrize(("text", "accepted"), TYPED["files of Pulumi"], ids=str)
def test_keys_that_only_pulumi_reads(text: str, accepted: bool) -> None:
    assert schema_accepts(text) is accepted


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(stack_schema())


@pytest.mark.parametrize("stack", ["amd", "nvidia"])
def test_the_stack_files_name_the_schema_and_satisfy_it(stack: str) -> None:
    text = (ROOT / f"Pulumi.{stack}.yaml").read_text()
    named = text.splitlines()[0].removeprefix("# yaml-language-server: $schema=")
    assert json.loads((ROOT / named).read_text()) == stack_schema()
    assert schema_accepts(text)
