"""The commit hook accepts subjects of the form in CONTRIBUTING.md, and no others."""

import subprocess
import sys
from pathlib import Path

import yaml

from tests.recorder import ROOT

MESSAGES = {
    "plan: a tier has one KV connector\n": True,
    "config, docs: registries with a port\n\nA body of any form: yes.\n": True,
    ".ci: real vLLM runs last": True,
    "Merge branch 'main'\n": True,
    "Make the plan better\n": False,
    "plan:\n": False,
    f"plan: {'x' * 67}\n": False,
    "\nplan: the subject is not the first line\n": False,
}
"""Messages, and whether the hook accepts them."""


def test_the_hook_checks_the_form_of_a_subject(tmp_path: Path) -> None:
    files = {tmp_path / str(number): message for number, message in enumerate(MESSAGES)}
    for file, message in files.items():
        file.write_text(message)
    [local] = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    [hook] = [each for each in local["hooks"] if each["id"] == "commit-subject"]
    run = [sys.executable, "-m", "pre_commit.languages.pygrep", *hook["args"], hook["entry"], *files]
    refused = subprocess.run(run, check=False, capture_output=True, text=True).stdout
    assert {message: f"{file}:1:" not in refused for file, message in files.items()} == MESSAGES
