"""The workflows: their syntax, their rights, and the results of their scripts."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from review.markdown import marker
from sandbox.engine import Engine
from sandbox.toolchain.catalog import PULUMI
from tests.docs.pages import ROOT
from tests.review.github import GitHub, serving
from tests.sandbox.project import prepared

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))


def steps(workflow: Path) -> list[dict[str, Any]]:
    """Every step of every job."""
    jobs = yaml.safe_load(workflow.read_text())["jobs"]
    return [step for job in jobs.values() for step in job["steps"]]


def job(name: str) -> dict[str, Any]:
    """The one job of a workflow."""
    [one] = yaml.safe_load((ROOT / f".github/workflows/{name}.yml").read_text())["jobs"].values()
    return dict(one)


def script(name: str, step: str) -> str:
    """The commands of a step."""
    [found] = [each["run"] for each in job(name)["steps"] if each.get("name") == step]
    return str(found)


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda file: file.name)
def test_actionlint_finds_nothing(workflow: Path, tool: Callable[[str], Path]) -> None:
    words = [str(tool("actionlint")), "-no-color", "-shellcheck=", "-pyflakes=", str(workflow)]
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda file: file.name)
def test_actions_are_githubs_pinned_by_commit_and_may_only_read_the_code(workflow: Path) -> None:
    for used in re.findall(r"uses: (.*)", workflow.read_text()):
        assert re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", used), used
    permissions = yaml.safe_load(workflow.read_text())["permissions"]
    assert permissions.pop("contents") == "read"
    assert permissions.pop("actions", "read") == "read"
    assert set(permissions) <= {"pull-requests"}


@pytest.mark.parametrize("name", ["preview", "drift"])
def test_every_stack_with_the_pinned_engine_and_pinned_packages(name: str) -> None:
    stacks = sorted(file.name.removeprefix("Pulumi.").removesuffix(".yaml") for file in ROOT.glob("Pulumi.*.yaml"))
    assert sorted(job(name)["strategy"]["matrix"]["stack"]) == stacks
    text = (ROOT / f".github/workflows/{name}.yml").read_text()
    assert (
        "python -m sandbox.toolchain --official pulumi" in text and "sandbox.installing .venv requirements.lock" in text
    )
    assert not re.search(r"curl|pip install|pulumi install(?! --no-dependencies)", text)
    version = PULUMI["x86_64"].url.split("/")[-2].removeprefix("v")
    assert f"pulumi=={version}\n" in (ROOT / "requirements.txt").read_text()


def test_code_of_a_pull_request_runs_without_secrets_or_the_right_to_write() -> None:
    """`pull_request` with the sandbox may only read; what may write runs the default branch's code."""
    sandboxed = (ROOT / ".github/workflows/sandbox-preview.yml").read_text()
    assert yaml.safe_load(sandboxed)["permissions"] == {"contents": "read"}
    assert "secrets." not in sandboxed
    commenting = (ROOT / ".github/workflows/sandbox-comment.yml").read_text()
    [name] = yaml.safe_load(commenting)[True]["workflow_run"]["workflows"]  # YAML reads the key `on` as true
    assert name == yaml.safe_load(sandboxed)["name"]
    [checkout] = [step for step in job("sandbox-comment")["steps"] if "checkout" in step.get("uses", "")]
    assert "ref" not in checkout["with"] and "repository" not in checkout["with"]


@pytest.mark.parametrize("name", ["preview", "drift"])
@pytest.mark.parametrize("given", ["apiVersion: v1\nkind: Config\n", ""])
def test_the_kubeconfig_is_optional(name: str, given: str, tmp_path: Path) -> None:
    later = tmp_path / "later"
    later.touch()
    environment = {"PATH": os.environ["PATH"], "GIVEN": given, "RUNNER_TEMP": str(tmp_path), "GITHUB_ENV": str(later)}
    subprocess.run(["bash", "-e", "-c", script(name, "Kubeconfig, if there is one")], env=environment, check=True)
    kubeconfig = tmp_path / "kubeconfig"
    if given:
        assert later.read_text() == f"KUBECONFIG={kubeconfig}\n"
        assert kubeconfig.read_text() == given
        assert kubeconfig.stat().st_mode & 0o777 == 0o600
    else:
        assert not later.read_text()


def run(name: str, step: str, engine: Engine, tmp_path: Path, **more: str) -> tuple[int, str, str]:
    """Run a step's commands as a runner does, with the real CLI; return exit code, output and the run's summary."""
    summary = tmp_path / "summary.md"
    summary.touch()
    path = f"{engine.env['PATH']}:{Path(sys.executable).parent}"
    own = {"PATH": path, "PYTHONPATH": str(ROOT), "STACK": "amd", "NAME": "amd", "GITHUB_STEP_SUMMARY": str(summary)}
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script(name, step)],
        cwd=engine.cwd,
        env={**engine.env, **own, **more},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, summary.read_text()


@pytest.mark.thorough
def test_the_preview_becomes_a_comment_also_where_it_fails(tmp_path: Path) -> None:
    engine = prepared(tmp_path, ROOT, "amd")
    with serving() as github:
        variables = {"NUMBER": "7", **github}
        code, output, summary = run("preview", "Preview, as a comment", engine, tmp_path, **variables)
        assert code == 0, output
        [comment] = GitHub.comments
        assert comment["body"].startswith(marker("preview amd")) and comment["body"] == summary
        assert re.search(r"^### Stack `amd`: \d+ to create, 0 unchanged$", summary, re.MULTILINE), summary
        assert "<b>create</b> Gateway llm-d-pd/infra-pd-inference-gateway" in summary
        wrong = ["pulumi", "config", "set", "--path", "serving.prefill.tensorParallel", "3", "--stack", "amd"]
        subprocess.run(wrong, cwd=engine.cwd, env=engine.env, check=True)
        assert run("preview", "Preview, as a comment", engine, tmp_path, **variables)[0] == 1
        [comment] = GitHub.comments
    assert "the preview failed" in comment["body"] and "serving.decode.tensorParallel = 4" in comment["body"]


@pytest.mark.thorough
def test_drift_fails_the_job_and_a_stack_that_is_not_there_does_too(tmp_path: Path) -> None:
    engine = prepared(tmp_path, ROOT, "amd")
    code, _, summary = run("drift", "Compare the cluster with the stack", engine, tmp_path)
    assert code != 0
    assert summary.startswith(f"{marker('drift amd')}\nWhat `pulumi up` would restore:\n")
