"""The view: it reports values that it leaves out of a stack file, and edits that it drops."""

from pathlib import Path

import pytest

from sandbox.engine.stack_files import PLACEHOLDER
from sandbox.errors import SandboxError
from tests.sandbox.engine.harness import Stack, prepared

pytestmark = pytest.mark.thorough

TRACKED = """\
# a comment
encryptionsalt: v1:GJx2ANOTHER:v1:ELSES:SALT
config:
  llm-d-pd:hfToken: {secure: v1:another:key}
  llm-d-pd:serving:
    accelerator: amd
    hidden: {secure: v1:another:key}
    list: [1, {secure: v1:another:key}, 3]
environment: [cloud/shared]
"""
PROGRAM = """
import pulumi
config = pulumi.Config()
pulumi.export("serving", config.require_object("serving"))
pulumi.export("token", config.require_secret("hfToken"))
"""


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    made = Stack.make(tmp_path, name="llm-d-pd", program=PROGRAM)
    tracked(made).write_text(TRACKED)
    made.engine = prepared(tmp_path, made.folder)
    return made


def tracked(stack: Stack) -> Path:
    return stack.folder / "Pulumi.dev.yaml"


def test_values_encrypted_with_another_key_are_left_out_and_named(stack: Stack) -> None:
    notes = "\n".join(note for note in stack.engine.notes if "left out" in note)
    for path in ("llm-d-pd:serving.hidden", "llm-d-pd:serving.list[1]", "environment"):
        assert f"Pulumi.dev.yaml: {path} is left out" in notes
    assert "hfToken" not in notes, "it has a placeholder"
    assert "ANOTHER" not in (stack.engine.cwd / "Pulumi.dev.yaml").read_text()


def test_edits_stay_until_the_tracked_file_changes_and_are_then_named(stack: Stack) -> None:
    for key, value in (("serving.hostNetwork", "true"), ("serving.accelerator", "nvidia")):
        stack.pulumi("config", "set", "--path", key, value).ok()
    differs = prepared(stack.folder.parent, stack.folder).notes[-1]
    assert "differs in llm-d-pd:serving.accelerator, llm-d-pd:serving.hostNetwork (" in differs
    assert "pulumi config rm --path" in differs
    assert stack.pulumi("config", "get", "--path", "serving.accelerator").ok().output.strip() == "nvidia"

    tracked(stack).write_text(TRACKED.replace("accelerator: amd", "accelerator: amd\n    release: '0.4'"))
    note = prepared(stack.folder.parent, stack.folder).notes[-1]
    assert "llm-d-pd:serving.accelerator, llm-d-pd:serving.hostNetwork" in note and "release" not in note
    assert stack.pulumi("config", "get", "--path", "serving.accelerator").ok().output.strip() == "amd"
    assert stack.pulumi("config", "get", "hfToken").ok().output.strip() == PLACEHOLDER


def test_an_error_about_a_missing_stack_names_existing_ones(stack: Stack) -> None:
    with pytest.raises(SandboxError, match=r"no stack 'prod'.*Stacks that do: dev\."):
        prepared(stack.folder.parent, stack.folder, "prod")


def test_a_stack_file_that_is_not_yaml_is_named(stack: Stack) -> None:
    tracked(stack).write_text("config: [")
    with pytest.raises(SandboxError, match=r"Pulumi\.dev\.yaml is not YAML"):
        prepared(stack.folder.parent, stack.folder)
