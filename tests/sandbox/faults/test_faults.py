"""Faults in the middle of a command: the commands that the screen names bring the stack back."""

from collections.abc import Iterator

import pytest

from tests.sandbox.faults import table
from tests.sandbox.faults.cells import Cells
from tests.sandbox.faults.phases import FAULTS
from tests.sandbox.faults.stage import opened

pytestmark = pytest.mark.thorough


@pytest.fixture(scope="module")
def cells() -> Iterator[Cells]:
    with opened("faults") as stage:
        made = Cells(stage, stage.stack("faults"))
        made.undisturbed()
        yield made


@pytest.mark.parametrize(("fault", "phase"), table.tried())
def test_commands_on_the_screen_recover_the_stack(cells: Cells, fault: str, phase: str) -> None:
    table.judge(fault, phase, cells.cell(FAULTS[fault], phase))


@pytest.mark.parametrize("phase", ["destroy", "up"])
def test_the_next_make_command_continues_after_a_killed_engine(cells: Cells, phase: str) -> None:
    """A killed engine leaves its lock and unfinished operations, unlike a killed plugin or Ctrl-C."""
    cells.healed(FAULTS["engine"], phase)
