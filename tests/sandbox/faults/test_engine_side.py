"""Faults of the engine, each in each phase: by what the screen names, and in the sandbox by itself."""

import pytest

from tests.sandbox.faults import table
from tests.sandbox.faults.cells import Cells
from tests.sandbox.faults.phases import PHASES
from tests.sandbox.faults.strikes import ENGINE_SIDE

pytestmark = pytest.mark.thorough
EACH = pytest.mark.parametrize(("fault", "phase"), [(fault, phase) for fault in ENGINE_SIDE for phase in PHASES])


@EACH
def test_what_the_screen_names_brings_it_back(cells: Cells, fault: str, phase: str) -> None:
    table.judge(fault, phase, cells.cell(ENGINE_SIDE[fault], phase))


@EACH
def test_the_next_command_of_make_succeeds_at_once(cells: Cells, fault: str, phase: str) -> None:
    cells.healed(ENGINE_SIDE[fault], phase)
