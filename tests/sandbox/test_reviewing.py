"""`pr-diff`: deploys the base's program, previews the work tree's, and matches the documentation."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.home import CHECKOUT

CHANGE = """    decode:
      cpu: 12
    prefill:
      replicas: 2
      tensorParallel: 2
"""
"""The change of the amd stack in docs/reviewing.md."""


COUNT = re.compile(r"\d+ unchanged")
"""This number changes with every new object of the program."""


def git(folder: Path, *words: str) -> str:
    own = ["-c", "user.name=x", "-c", "user.email=x@example.com", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *own, *words], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of this work tree with everything committed."""
    folder = tmp_path / "checkout"
    for name in git(CHECKOUT, "ls-files", "--cached", "--others", "--exclude-standard").splitlines():
        if (CHECKOUT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(CHECKOUT / name, folder / name)
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "base")
    return folder


def pr_diff(folder: Path, base: str, *words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "sandbox", "pr-diff", "--name", "own", "--base", base, *words]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_a_base_that_is_no_commit_is_an_error() -> None:
    done = pr_diff(CHECKOUT, "no-such-branch")
    assert done.returncode == 1 and done.stdout == ""
    assert "error: BASE=no-such-branch is no commit" in done.stderr and "git fetch" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.thorough
def test_sections_of_a_new_a_broken_and_a_changed_stack(checkout: Path) -> None:
    """One run for three stacks; docs/reviewing.md shows the first one's section."""
    amd, new, broken = (checkout / f"Pulumi.{name}.yaml" for name in ("amd", "new", "broken"))
    new.write_text(amd.read_text())
    broken.write_text(amd.read_text().replace("accelerator: amd", "accelerator: amp"))
    amd.write_text(amd.read_text() + CHANGE)
    output = checkout / "diff.md"
    stacks = [word for name in ("new", "broken", "amd") for word in ("--stack", name)]
    done = pr_diff(checkout, "HEAD", *stacks, "--output", str(output))
    assert done.returncode == 1, done.stderr
    text = output.read_text()
    commit = git(checkout, "rev-parse", "HEAD")[:12]
    assert f"What this change would do to a stack of HEAD (`{commit}`), deployed in the sandbox." in text
    assert "sandbox-placeholder" not in text

    added, failed, changed = text.split("### Stack ")[1:]
    assert "to create, 0 unchanged" in added and "<b>create</b> ClusterRole gaie-pd-llm-d-pd-epp" in added
    assert failed.startswith("`broken`: the preview failed") and "serving.accelerator = amp" in failed
    page = (CHECKOUT / "docs/reviewing.md").read_text()
    assert COUNT.sub("", page).endswith("### Stack " + COUNT.sub("", changed)), changed
    assert "".join(f"+{line}\n" for line in CHANGE.splitlines()) in page
    assert not (checkout / ".sandbox/own-review").exists()
