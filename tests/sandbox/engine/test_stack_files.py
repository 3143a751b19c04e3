"""The view of a stack: values that it leaves out of a stack file, edits that it drops, and stack files with errors."""

from pathlib import Path

import pytest
import yaml

from sandbox.engine.stack_files import View, accelerator
from sandbox.errors import SandboxError

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


@pytest.fixture
def view(tmp_path: Path) -> View:
    (tmp_path / "Pulumi.yaml").write_text("name: llm-d-pd\nruntime: python\n")
    (tmp_path / "Pulumi.dev.yaml").write_text(TRACKED)
    (tmp_path / "view").mkdir()
    return View(tmp_path / "view", tmp_path, "dev")


def copied(view: View) -> list[str]:
    """Copy the stack file as `prepare` does, with a stand-in for `pulumi config set --secret`; return the notes."""
    return view.copy_stack(lambda key, value: edited(view, key, {"secure": value}))


def edited(view: View, key: str, value: object) -> None:
    content = yaml.safe_load(view.stack_file.read_text())
    content["config"][key] = value
    view.stack_file.write_text(yaml.safe_dump(content))


def config(view: View) -> dict[str, object]:
    return dict(yaml.safe_load(view.stack_file.read_text())["config"])


def test_values_encrypted_with_another_key_are_left_out_and_named(view: View) -> None:
    assert [note.partition(":")[2].partition(" is left out")[0].strip() for note in copied(view)] == [
        "environment",
        "llm-d-pd:serving.hidden",
        "llm-d-pd:serving.list[1]",
    ]
    assert config(view) == {
        "llm-d-pd:serving": {"accelerator": "amd", "list": [1, 3]},
        "llm-d-pd:hfToken": {"secure": "sandbox-placeholder"},
    }
    assert "ANOTHER" not in view.stack_file.read_text()


def test_edits_stay_until_the_tracked_file_changes_and_are_then_named(view: View) -> None:
    copied(view)
    edited(view, "llm-d-pd:serving", {"accelerator": "nvidia", "hostNetwork": True, "list": [1, 3]})
    [differs] = copied(view)
    assert "differs in llm-d-pd:serving.accelerator, llm-d-pd:serving.hostNetwork (" in differs
    assert "pulumi config rm --path" in differs

    view.tracked_file.write_text(TRACKED.replace("accelerator: amd", "accelerator: amd\n    release: '0.4'"))
    dropped = copied(view)[-1]
    assert "llm-d-pd:serving.accelerator, llm-d-pd:serving.hostNetwork" in dropped and "release" not in dropped
    assert config(view)["llm-d-pd:serving"] == {"accelerator": "amd", "release": "0.4", "list": [1, 3]}
    assert config(view)["llm-d-pd:hfToken"] == {"secure": "sandbox-placeholder"}


def test_a_missing_stack_and_a_file_that_is_not_yaml_are_named(view: View) -> None:
    with pytest.raises(SandboxError, match=r"no stack 'prod'.*Stacks that do: dev\."):
        View(view.folder, view.checkout, "prod").require_tracked()
    view.tracked_file.write_text("config: [")
    with pytest.raises(SandboxError, match=r"Pulumi\.dev\.yaml is not YAML"):
        copied(view)


@pytest.mark.parametrize("serving", ["text", "{}", "{accelerator: [amd]}"])
def test_a_wrong_accelerator_is_left_to_the_program(serving: str, tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.x.yaml"
    file.write_text(f"config: {{'llm-d-pd:serving': {serving}}}")
    assert accelerator(file) == ""
