"""docs/policy.md has the rules of the policy pack, and a violation as the pack prints it."""

import sys

from policy.rule import Rule
from policy.rules import RULES
from tests.docs.pages import ROOT
from tests.program.policies import violations
from tests.program.wire import AMD
from tests.recorder import run_program

TEXT = (ROOT / "docs/policy.md").read_text()
HEADER = "| policy | what has to hold | otherwise |\n|---|---|---|\n"


def row(rule: Rule) -> str:
    """The table's row of a rule."""
    return f"| `{rule.name}` | {rule.must} | {rule.outcome} |"


def test_the_table_is_the_pack_s() -> None:
    rows = TEXT.partition(HEADER)[2].partition("\n\n")[0].splitlines()
    assert rows == [row(rule) for rule in RULES], "python -m tests.docs.test_policy prints the rows"


def test_the_violation_shown_is_the_pack_s_own() -> None:
    [found] = violations(run_program({**AMD, "decode": {"image": "ghcr.io/llm-d/llm-d-rocm:latest"}}))
    for line in found.splitlines():
        assert line in TEXT


if __name__ == "__main__":
    sys.stdout.writelines(f"{row(rule)}\n" for rule in RULES)
