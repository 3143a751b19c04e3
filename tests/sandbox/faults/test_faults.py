"""Faults in the middle of a command: the commands that the screen names bring the stack back."""

import pytest

from tests.sandbox.faults import table
from tests.sandbox.faults.cells import Cells
from tests.sandbox.faults.phases import PHASES
from tests.sandbox.faults.strikes import FAULTS

pytestmark = pytest.mark.thorough


@pytest.mark.parametrize(("fault", "phase"), table.tried())
def test_what_the_screen_names_brings_it_back(cells: Cells, fault: str, phase: str) -> None:
    table.judge(fault, phase, cells.cell(FAULTS[fault], phase))


@pytest.mark.parametrize("phase", ["destroy", *list(PHASES)[:-1]])
def test_the_next_command_of_make_goes_on_from_a_killed_engine(cells: Cells, phase: str) -> None:
    """A killed engine leaves more behind than a killed plugin or Ctrl-C: its lock, and what it has begun."""
    cells.healed(FAULTS["engine"], phase)
