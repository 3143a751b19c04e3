"""The table of docs/recovering.md: for each fault and phase, the commands that helped.

The tests compare it with what happens; `python -m tests.sandbox.faults.table` runs them and writes it anew.
"""

import os
import sys
import tempfile
from pathlib import Path

import pytest

from sandbox.home import CHECKOUT
from tests.sandbox.faults import recovery
from tests.sandbox.faults.phases import PHASES
from tests.sandbox.faults.strikes import FAULTS

PAGE = CHECKOUT / "docs" / "recovering.md"
RECORD = "FAULTS_RECORD"
"""Folder: cells are written there instead of being compared."""
HEAD = ["fault", *(phase.title for phase in PHASES.values())]
NOTHING = "nothing"
_CHAIN = [
    ("plugin", "up"),
    ("ctrl-c", "change"),
    ("disk", "refresh"),
    ("api-server", "destroy"),
    ("engine", "up"),
    ("watches", "change"),
    ("conflict", "refresh"),
]
"""Each fault once; each cell begins where the one before it has ended, so nothing is deployed between them."""


def tried() -> list[tuple[str, str]]:
    """The cells of this run, fault and phase: all of them where the table is made."""
    return [(fault, phase) for fault in FAULTS for phase in PHASES] if RECORD in os.environ else _CHAIN


def cell(commands: list[str]) -> str:
    """What stands in the table."""
    told = {recovery.ADOPT: "`pulumi up` with `adopt`"}
    return ", ".join(told.get(each, f"`{each}`") for each in commands) or NOTHING


def judge(fault: str, phase: str, commands: list[str]) -> None:
    """Compare what helped with the page, or write it down."""
    if folder := os.environ.get(RECORD):
        Path(folder, f"{fault}.{phase}").write_text(cell(commands))
    else:
        assert written()[fault][phase] == cell(commands)


def written() -> dict[str, dict[str, str]]:
    """The page's table: fault and phase → cell."""
    lines = PAGE.read_text().splitlines()
    rows = [[each.strip() for each in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    titles = {fault.title: name for name, fault in FAULTS.items()}
    return {titles[title]: dict(zip(PHASES, cells, strict=True)) for title, *cells in rows if title in titles}


def table(cells: dict[str, dict[str, str]]) -> list[str]:
    """Its lines."""
    rows = [[fault.title, *(cells[name][phase] for phase in PHASES)] for name, fault in FAULTS.items()]
    return [_line(HEAD), "|---" * len(HEAD) + "|", *map(_line, rows)]


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def main() -> int:
    """Run the tests of this folder and write the page's table; return pytest's exit code."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ[RECORD] = folder
        code = pytest.main([str(Path(__file__).parent), "-q", "-m", "thorough"])
        if code == 0:
            found = {name: {phase: Path(folder, f"{name}.{phase}").read_text() for phase in PHASES} for name in FAULTS}
            lines = PAGE.read_text().splitlines()
            begin = lines.index(_line(HEAD))
            lines[begin : begin + 2 + len(FAULTS)] = table(found)
            PAGE.write_text("\n".join(lines) + "\n")
        return int(code)


if __name__ == "__main__":
    sys.exit(main())
