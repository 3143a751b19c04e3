"""Faults around the engine, each in each phase: the commands that the screen names bring the stack back."""

import pytest

from tests.sandbox.faults import table
from tests.sandbox.faults.cells import Cells
from tests.sandbox.faults.phases import PHASES
from tests.sandbox.faults.strikes import SURROUNDINGS

pytestmark = pytest.mark.thorough


CELLS = [(fault, phase) for fault in SURROUNDINGS for phase in PHASES if table.tried(fault, phase)]


@pytest.mark.parametrize(("fault", "phase"), CELLS)
def test_what_the_screen_names_brings_it_back(cells: Cells, fault: str, phase: str) -> None:
    table.judge(fault, phase, cells.cell(SURROUNDINGS[fault], phase))
