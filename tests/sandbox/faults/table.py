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
from tests.sandbox.faults.strikes import ENGINE_SIDE, SURROUNDINGS

PAGE = CHECKOUT / "docs" / "recovering.md"
RECORD = "FAULTS_RECORD"
"""Folder: cells are written there instead of being compared."""
HEAD = ["fault", *(phase.title for phase in PHASES.values())]
NOTHING = "nothing"
_SLOW = {("disk", "up"), ("disk", "change")}
"""Minutes each: the CLI tries every write of the state again and again before it fails."""
_FAULTS = SURROUNDINGS | ENGINE_SIDE


def tried(fault: str, phase: str) -> bool:
    """Whether a cell is tried by this run: the slow ones only where the table is made."""
    return RECORD in os.environ or (fault, phase) not in _SLOW


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
    titles = {fault.title: name for name, fault in _FAULTS.items()}
    return {titles[title]: dict(zip(PHASES, cells, strict=True)) for title, *cells in rows if title in titles}


def table(cells: dict[str, dict[str, str]]) -> list[str]:
    """Its lines."""
    rows = [[fault.title, *(cells[name][phase] for phase in PHASES)] for name, fault in _FAULTS.items()]
    return [_line(HEAD), "|---" * len(HEAD) + "|", *map(_line, rows)]


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def main() -> int:
    """Run the tests of this folder and write the page's table; return pytest's exit code."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ[RECORD] = folder
        code = pytest.main([str(Path(__file__).parent), "-q", "-m", "thorough", "-n", "2", "--dist", "loadfile"])
        if code == 0:
            found = {name: {phase: Path(folder, f"{name}.{phase}").read_text() for phase in PHASES} for name in _FAULTS}
            lines = PAGE.read_text().splitlines()
            old = [number for number, line in enumerate(lines) if line.startswith("|")]
            lines[old[0] : old[-1] + 1] = table(found)
            PAGE.write_text("\n".join(lines) + "\n")
        return int(code)


if __name__ == "__main__":
    sys.exit(main())
