"""The workflows: what GitHub would refuse, and what would quietly be wrong."""

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.docs.pages import ROOT

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))


def steps(workflow: Path) -> list[dict[str, Any]]:
    """Every step of every job."""
    jobs = yaml.safe_load(workflow.read_text())["jobs"]
    return [step for job in jobs.values() for step in job["steps"]]


def preview() -> tuple[dict[str, Any], dict[str, Any]]:
    """The job that previews, and its Pulumi step."""
    workflow = ROOT / ".github/workflows/preview.yml"
    [step] = [step for step in steps(workflow) if step.get("uses", "").startswith("pulumi/actions@")]
    return yaml.safe_load(workflow.read_text())["jobs"]["preview"], step


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda file: file.name)
def test_actionlint_finds_nothing(workflow: Path, tool: Callable[[str], Path]) -> None:
    words = [str(tool("actionlint")), "-no-color", "-shellcheck=", "-pyflakes=", str(workflow)]
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda file: file.name)
def test_actions_are_pinned_and_may_only_read_the_code(workflow: Path) -> None:
    for step in steps(workflow):
        assert "uses" not in step or re.search(r"@v\d+\.\d+\.\d+$", step["uses"]), step["uses"]
    permissions = yaml.safe_load(workflow.read_text())["permissions"]
    assert permissions.pop("contents") == "read"
    assert set(permissions) <= {"pull-requests"}


def test_a_pull_request_previews_every_stack_with_the_pinned_engine_and_edits_one_comment() -> None:
    job, step = preview()
    assert sorted(job["strategy"]["matrix"]["stack"]) == sorted(
        file.name.removeprefix("Pulumi.").removesuffix(".yaml") for file in ROOT.glob("Pulumi.*.yaml")
    )
    assert step["with"]["command"] == "preview"
    assert step["with"]["comment-on-pr"] is step["with"]["edit-pr-comment"] is True
    assert f"pulumi=={step['with']['pulumi-version']}\n" in (ROOT / "requirements.txt").read_text()


@pytest.mark.parametrize("given", ["apiVersion: v1\nkind: Config\n", ""])
def test_the_kubeconfig_is_optional(given: str, tmp_path: Path) -> None:
    [script] = [step["run"] for step in preview()[0]["steps"] if "run" in step]
    later = tmp_path / "later"
    later.touch()
    environment = {"PATH": os.environ["PATH"], "GIVEN": given, "RUNNER_TEMP": str(tmp_path), "GITHUB_ENV": str(later)}
    subprocess.run(["bash", "-e", "-c", script], env=environment, check=True)
    kubeconfig = tmp_path / "kubeconfig"
    if given:
        assert later.read_text() == f"KUBECONFIG={kubeconfig}\n"
        assert kubeconfig.read_text() == given
        assert kubeconfig.stat().st_mode & 0o777 == 0o600
    else:
        assert not later.read_text()
        assert not kubeconfig.exists()


def test_continuous_integration_runs_the_one_script() -> None:
    *prepared, script = [step["run"] for step in steps(ROOT / ".github/workflows/ci.yml") if "run" in step]
    assert all(command.startswith("sudo sysctl -w ") for command in prepared), "the machine only"
    assert script == ".ci/run"
    assert os.access(ROOT / ".ci/run", os.X_OK)
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    assert {repo["repo"] for repo in hooks["repos"]} == {"local"}
