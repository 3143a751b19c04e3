"""One cluster for a file of faults, with an undisturbed stack to compare with."""

from collections.abc import Iterator

import pytest

from tests.sandbox.faults.cells import Cells
from tests.sandbox.faults.stage import opened


@pytest.fixture(scope="module")
def cells() -> Iterator[Cells]:
    with opened("faults") as stage:
        made = Cells(stage)
        made.undisturbed()
        yield made
