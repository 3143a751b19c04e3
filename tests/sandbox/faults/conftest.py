"""One cluster and one stack for a file of faults."""

from collections.abc import Iterator

import pytest

from tests.sandbox.faults.cells import Cells
from tests.sandbox.faults.stage import opened


@pytest.fixture(scope="module")
def cells() -> Iterator[Cells]:
    with opened("faults") as stage:
        made = Cells(stage, stage.stack("faults"))
        made.undisturbed()
        yield made
