"""The commit hook accepts subjects of the form in CONTRIBUTING.md, and no others."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.recorder import ROOT


@pytest.mark.parametrize(
    ("message", "accepted"),
    [
        ("plan: a tier has one KV connector\n", True),
        ("config, docs: registries with a port\n\nA body of any form: yes.\n", True),
        (".ci: real vLLM runs last", True),
        ("Merge branch 'main'\n", True),
        ("Make the plan better\n", False),
        ("plan:\n", False),
        (f"plan: {'x' * 67}\n", False),
        ("\nplan: the subject is not the first line\n", False),
    ],
)
def test_the_hook_checks_the_form_of_a_subject(message: str, accepted: bool, tmp_path: Path) -> None:
    file = tmp_path / "message"
    file.write_text(message)
    [local] = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    [hook] = [each for each in local["hooks"] if each["id"] == "commit-subject"]
    run = [sys.executable, "-m", "pre_commit.languages.pygrep", *hook["args"], hook["entry"], file]
    assert (subprocess.run(run, check=False).returncode == 0) == accepted
