"""`python -m review` writes Markdown from JSON, and keeps one comment per marker on a server like GitHub's."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from review.markdown import LIMIT, marker
from tests.recorder import ROOT
from tests.review.github import GitHub, serving


def review(*words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run it as a workflow does: with any Python and nothing installed."""
    return subprocess.run(
        [sys.executable, "-S", "-m", "review", *words],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_previews_become_a_document(tmp_path: Path) -> None:
    (tmp_path / "amd.json").write_text('{"steps": [], "changeSummary": {"same": 3}}')
    (tmp_path / "nvidia.json").write_text("error: no credentials")
    done = review("markdown", "--marker", "x", "--intro", "Hello.", f"amd={tmp_path}/amd.json")
    assert (done.returncode, done.stdout) == (0, f"{marker('x')}\nHello.\n\n### Stack `amd`: no changes, 3 unchanged\n")
    both = review("markdown", "--marker", "x", f"amd={tmp_path}/amd.json", f"nvidia={tmp_path}/nvidia.json")
    assert both.returncode == 1
    assert "### Stack `nvidia`: the preview failed\n\n```text\nerror: no credentials\n" in both.stdout


@pytest.fixture
def github() -> Iterator[dict[str, str]]:
    """Variables of a workflow that point to a local server instead of GitHub."""
    with serving() as variables:
        yield variables


def post(tmp_path: Path, github: dict[str, str], name: str, text: str) -> "subprocess.CompletedProcess[str]":
    file = tmp_path / "comment.md"
    file.write_text(f"{marker(name)}\n{text}")
    return review("comment", "--marker", name, "--pull-request", "7", str(file), **github)


def test_a_comment_is_made_once_and_then_edited(tmp_path: Path, github: dict[str, str]) -> None:
    person = {"user": {"login": "ada"}, "body": f"{marker('amd')}\nI quote"}
    GitHub.comments = [{"id": number, **person} for number in range(1, 151)]
    for name, text in (("amd", "first"), ("nvidia", "other"), ("amd", "second")):
        assert post(tmp_path, github, name, text).returncode == 0
    assert [each["body"] for each in GitHub.comments[150:]] == [
        f"{marker('amd')}\nsecond",
        f"{marker('nvidia')}\nother",
    ]
    assert all(each["body"] == person["body"] for each in GitHub.comments[:150])


def test_a_long_document_is_cut(tmp_path: Path, github: dict[str, str]) -> None:
    post(tmp_path, github, "amd", "x" * 100_000)
    assert len(GitHub.comments[0]["body"]) <= LIMIT


def test_an_error_is_one_line(tmp_path: Path, github: dict[str, str]) -> None:
    denied = post(tmp_path, {**github, "GITHUB_TOKEN": "wrong"}, "amd", "x")
    assert denied.returncode == 1 and "403" in denied.stderr and "pull-requests: write" in denied.stderr
    bare = post(tmp_path, {}, "amd", "x")
    assert bare.returncode == 1 and "GITHUB_REPOSITORY" in bare.stderr
    assert "Traceback" not in denied.stderr + bare.stderr
    assert GitHub.comments == []


def test_a_document_with_another_marker_is_refused(tmp_path: Path, github: dict[str, str]) -> None:
    """A document from a fork's pull request must not replace the comment about a real cluster."""
    file = tmp_path / "review.md"
    file.write_text(f"{marker('preview amd')}\nno changes")
    done = review("comment", "--marker", "sandbox", "--pull-request", "7", str(file), **github)
    assert done.returncode == 1 and "no document of --marker 'sandbox'" in done.stderr
    assert GitHub.comments == []
