"""docs/using.md has the steps of `verify`, its command line, and the defects that each step finds."""

import re
import sys

import pytest

from tests.docs.pages import ROOT, commands
from tests.sandbox.serving.defects import DEFECTS
from verify.__main__ import _parser

TEXT = (ROOT / "docs/using.md").read_text()
CAUGHT = TEXT.partition("| step | defects |\n|---|---|\n")[2].partition("\n\n")[0]
STEPS = TEXT.partition("| step | what it proves |")[2].partition("\n\n")[0]


def row(step: str) -> str:
    """The table's row of a step."""
    return f"| {step} | {'; '.join(defect.name for defect in DEFECTS if defect.step == step)} |"


def test_the_defects_and_the_steps_that_catch_them() -> None:
    steps = dict.fromkeys(defect.step for defect in DEFECTS)
    assert CAUGHT.splitlines() == [row(step) for step in steps], "python -m tests.docs.test_using prints the rows"


def test_every_step_is_explained() -> None:
    source = "".join(file.read_text() for file in (ROOT / "verify").glob("*.py"))
    of_tiers = {"prefill", "decode", "sizing prefill", "sizing decode"}
    steps = {*re.findall(r'\bstep = "(.*?)"', source), "cluster"} | of_tiers
    explained = {step for first in re.findall(r"^\| (.*?) \|", STEPS, re.MULTILINE) for step in first.split(", ")}
    assert explained - {"---"} == steps


VERIFY = [words for words in commands(".venv/bin/python") if words[1:3] == ["-m", "verify"]]


@pytest.mark.parametrize("words", VERIFY, ids=" ".join)
def test_verify_knows_the_words(words: list[str]) -> None:
    assert _parser().parse_args(words[3:]).stack == "amd"


if __name__ == "__main__":
    sys.stdout.writelines(f"{row(step)}\n" for step in dict.fromkeys(defect.step for defect in DEFECTS))
