"""docs/differences.md says all that differs from the guide, and nothing else."""

from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

import pytest
import yaml

from tests.program.expected import Combination, layered
from tests.program.shape import differences, normal
from tests.program.wire import recorded
from tests.recorder import ROOT

PAGE = ROOT / "docs" / "differences.md"
GUIDE = ("guide-0.4", "guide-0.4-workers")
STACKS = {
    "amd": Combination("amd", "0.4", hostNetwork=False, rdma=True, monitoring=True),
    "amd-host": Combination("amd", "0.4", hostNetwork=True, rdma=True, monitoring=True),
    "nvidia": Combination("nvidia", "0.4", hostNetwork=False, rdma=True, monitoring=True),
}
KEYS = ("name", "type", "pluginRef")
"""Plugins have no order in the guide's terms: they are known by their type."""

SEVERAL, ABSENT = "\N{HORIZONTAL ELLIPSIS}", "\N{EN DASH}"

Found = dict[tuple[str, str], tuple[Any, Any]]
"""Object and path to both values."""


@dataclass(frozen=True)
class Line:
    """One line of the table."""

    stacks: tuple[str, ...]
    target: str
    path: str
    guide: str
    here: str
    why: str

    def covers(self, target: str, path: str) -> bool:
        pattern = self.path.replace("[", "[[]")
        return fnmatchcase(target, self.target) and fnmatchcase(path, pattern)


@cache
def _page() -> tuple[Line, ...]:
    rows = [row for row in PAGE.read_text().splitlines() if row.startswith("| ")][1:]
    lines = []
    for row in rows:
        stacks, *rest = (cell.strip() for cell in row.strip("|").split(" | "))
        lines.append(Line(tuple(STACKS) if stacks == "all" else tuple(stacks.split(", ")), *rest))
    return tuple(lines)


@cache
def _differences(stack: str) -> Found:
    combination = STACKS[stack]
    ours = normal(recorded(combination).objects, KEYS)
    guide = layered(GUIDE, asdict(combination))
    found: Found = {}
    for target in {**guide, **ours}:
        if target not in guide or target not in ours:
            found[target, "(object)"] = (guide.get(target), ours.get(target))
        else:
            found |= {(target, path): both for path, both in differences(guide[target], ours[target]).items()}
    return found


@pytest.mark.parametrize("stack", STACKS)
def test_every_difference_has_exactly_one_line(stack: str) -> None:
    lines = [line for line in _page() if stack in line.stacks]
    for target, path in _differences(stack):
        count = sum(line.covers(target, path) for line in lines)
        assert count == 1, f"{stack}: {target} {path} has {count} lines in {PAGE.name}"


@pytest.mark.parametrize("line", _page(), ids=lambda line: f"{line.target} {line.path}")
def test_every_line_is_a_difference_with_these_values(line: Line) -> None:
    assert set(line.stacks) <= set(STACKS)
    assert line.why
    for stack in line.stacks:
        covered = [both for key, both in _differences(stack).items() if line.covers(*key)]
        assert covered, f"{stack}: nothing differs there any more"
        for guide, here in covered:
            _is(line.guide, guide)
            _is(line.here, here)


def _is(cell: str, value: Any) -> None:
    if cell == SEVERAL:
        return
    said = None if cell == ABSENT else yaml.safe_load(cell.strip("`"))
    assert said == value


def test_the_page_is_a_table_of_every_stack() -> None:
    assert len(_page()) > 30
    assert {stack for line in _page() for stack in line.stacks} == set(STACKS)
