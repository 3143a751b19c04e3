"""Every infrastructure with every accelerator and release that it has: objects as typed by hand."""

from dataclasses import asdict
from itertools import product
from typing import Any

import pytest

from components.config.vocabulary import Accelerator, Infrastructure, ReleaseName
from tests.program.expected import EVERY_ACCELERATOR, Combination, layered
from tests.program.policies import violations
from tests.program.shape import differences
from tests.program.wire import TOKEN, comparable, made, ran

ELSEWHERE = {
    *(("amd", each) for each in ("openshift-roce", "coreweave", "aws-efa", "gke-roce")),
    ("nvidia", "oci-amd"),
}
"""What is refused whatever the release: `tests/cases/infrastructure.yaml` has the reasons."""
WITHOUT_IMAGE = {("nvidia", "aws-efa", "0.4"), ("nvidia", "aws-efa", "0.10")}
CELLS = [(*each,) for each in product(map(str, Accelerator), map(str, Infrastructure), map(str, ReleaseName))]
LEGAL = [cell for cell in CELLS if cell[:2] not in ELSEWHERE and cell not in WITHOUT_IMAGE]


def combination(accelerator: str, release: str, *, host: bool = False) -> Combination:
    """The switches beside the infrastructure."""
    return Combination(accelerator, release, hostNetwork=host, rdma=False, monitoring=True)


def declared(cell: Combination, infrastructure: str) -> dict[str, Any]:
    """What the program declares, without what tests of its own are about."""
    return comparable(made({**cell.serving, "infrastructure": infrastructure}).objects)


def wanted(cell: Combination, infrastructure: str) -> dict[str, Any]:
    """What is typed by hand."""
    files = (*EVERY_ACCELERATOR, cell.accelerator, "infrastructure")
    objects = layered(files, {**asdict(cell), "infrastructure": infrastructure})
    del objects[TOKEN]
    return objects


@pytest.mark.parametrize(("accelerator", "infrastructure", "release"), LEGAL, ids="-".join)
def test_a_legal_cell_declares_exactly_the_expected_objects(
    accelerator: str, infrastructure: str, release: str
) -> None:
    cell = combination(accelerator, release)
    assert differences(wanted(cell, infrastructure), declared(cell, infrastructure)) == {}
    if release == "0.6":
        assert violations(ran({**cell.serving, "infrastructure": infrastructure})) == []


def test_host_network_mode_takes_device_and_networks_away_and_nothing_else() -> None:
    cell = combination("amd", "0.6", host=True)
    assert differences(wanted(cell, "oci-amd"), declared(cell, "oci-amd")) == {}


def test_the_neutral_choice_is_what_no_choice_is() -> None:
    cell = combination("amd", "0.6")
    assert made({**cell.serving, "infrastructure": "none"}).objects == made(cell.serving).objects
