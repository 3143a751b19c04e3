"""The table of docs/recovering.md: for each fault and phase, the commands that helped.

The tests compare it with the behaviour; `python -m tests.sandbox.faults.table` runs them and writes the table.
"""

import os
import sys
import tempfile
from pathlib import Path

import pytest

from sandbox.home import CHECKOUT
from tests.sandbox.faults.cells import ADOPT
from tests.sandbox.faults.phases import FAULTS, PHASES

PAGE = CHECKOUT / "docs" / "recovering.md"
RECORD = "FAULTS_RECORD"
"""Environment variable with a folder: cells are written there instead of a comparison."""
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
"""Each fault once. A cell starts in the state after the one before, so that no deployment is needed between."""


def tried() -> list[tuple[str, str]]:
    """Cells of this run (fault, phase); all cells if the table is written."""
    return [(fault, phase) for fault in FAULTS for phase in PHASES] if RECORD in os.environ else _CHAIN


def cell(commands: list[str]) -> str:
    named = {ADOPT: "`pulumi up` with `adopt`"}
    return ", ".join(named.get(each, f"`{each}`") for each in commands) or NOTHING


def judge(fault: str, phase: str, commands: list[str]) -> None:
    """Compare the commands that helped with the page, or record them."""
    if folder := os.environ.get(RECORD):
        Path(folder, f"{fault}.{phase}").write_text(cell(commands))
    else:
        assert written()[fault][phase] == cell(commands)


def written() -> dict[str, dict[str, str]]:
    """The table on the page: fault and phase → cell."""
    lines = PAGE.read_text().splitlines()
    rows = [[each.strip() for each in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    titles = {fault.title: name for name, fault in FAULTS.items()}
    return {titles[title]: dict(zip(PHASES, cells, strict=True)) for title, *cells in rows if title in titles}


def table(cells: dict[str, dict[str, str]]) -> list[str]:
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
