"""Tables in the docs about differences between objects, compared with the real differences."""

from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.program.shape import differences, normal
from tests.recorder import ROOT

DIFFERENCES = ROOT / "docs" / "differences.md"
KEYS = ("name", "type", "pluginRef")
"""Plugins have no order in the guide's terms: they are known by their type."""

SEVERAL, ABSENT = "\N{HORIZONTAL ELLIPSIS}", "\N{EN DASH}"

Found = dict[tuple[str, str], tuple[Any, Any]]
"""Object and path to both values."""


@dataclass(frozen=True)
class Line:
    """One line of a table."""

    stacks: str
    target: str
    path: str
    guide: str
    here: str
    why: str

    def of(self, stack: str) -> bool:
        """Whether the line is about a stack: it is named, by a pattern such as `gke-*`, or all are."""
        return any(fnmatchcase(stack, "*" if each == "all" else each) for each in self.stacks.split(", "))

    def covers(self, target: str, path: str) -> bool:
        """Whether the line is about that path of that object."""
        pattern = self.path.replace("[", "[[]")
        return fnmatchcase(target, self.target) and fnmatchcase(path, pattern)


@cache
def lines(section: str, page: Path = DIFFERENCES) -> tuple[Line, ...]:
    """The table below a heading of a page, which is given with its `#`s."""
    text = f"\n{page.read_text()}".partition(f"\n{section}\n")[2]
    rows = [row for row in text.partition("\n## ")[0].splitlines() if row.startswith("| ")][1:]
    return tuple(Line(*(cell.strip() for cell in row.strip("|").split(" | "))) for row in rows)


def found(guide: dict[str, Any], here: dict[str, Any]) -> Found:
    """Everything in which the objects differ; the guide's are in normal form."""
    program = normal(here, KEYS)
    differing: Found = {}
    for target in {**guide, **program}:
        if target not in guide or target not in program:
            differing[target, "(object)"] = (guide.get(target), program.get(target))
        else:
            differing |= {(target, path): both for path, both in differences(guide[target], program[target]).items()}
    return differing


def unsaid(table: tuple[Line, ...], stack: str, differing: Found) -> list[str]:
    """Differences of a stack that have no line, or more than one."""
    about = [line for line in table if line.of(stack)]
    return [f"{key}" for key in differing if sum(line.covers(*key) for line in about) != 1]


def holds(line: Line, differing: Found) -> None:
    """The line is a difference with the values that it gives."""
    assert line.why
    covered = [both for key, both in differing.items() if line.covers(*key)]
    assert covered, "nothing differs there any more"
    for guide, here in covered:
        _is(line.guide, guide)
        _is(line.here, here)


def _is(cell: str, value: Any) -> None:
    if cell == SEVERAL:
        return
    said = None if cell == ABSENT else yaml.safe_load(cell.strip("`"))
    assert said == value
