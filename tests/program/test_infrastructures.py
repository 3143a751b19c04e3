"""Every infrastructure with every accelerator and release: objects as typed by hand, or a refusal with its reason."""

from dataclasses import asdict
from itertools import product
from typing import Any

import pulumi
import pytest

from components.config.vocabulary import Accelerator, Infrastructure, ReleaseName
from tests.program.expected import EVERY_ACCELERATOR, Combination, layered
from tests.program.policies import violations
from tests.program.shape import differences
from tests.program.wire import TOKEN, comparable, made, ran
from tests.recorder import run_program

ELSEWHERE = {
    ("amd", "openshift-roce"): "nvidia: values and transports are for CUDA",
    ("amd", "coreweave"): "nvidia: CoreWeave has NVIDIA GPUs",
    ("amd", "aws-efa"): "nvidia: EFA instances have NVIDIA GPUs",
    ("amd", "gke-roce"): "nvidia: a3-ultragpu-8g",
    ("nvidia", "oci-amd"): "amd: BM.GPU.MI300X.8",
}
"""What is refused whatever the release, and the reason."""
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


@pytest.mark.parametrize(
    ("accelerator", "infrastructure", "release"), [cell for cell in CELLS if cell not in LEGAL], ids="-".join
)
def test_an_illegal_cell_is_refused_with_its_reason(accelerator: str, infrastructure: str, release: str) -> None:
    serving = {**combination(accelerator, release).serving, "infrastructure": infrastructure}
    with pytest.raises(pulumi.RunError) as caught:
        run_program(serving)
    reason = ELSEWHERE.get((accelerator, infrastructure))
    text = str(caught.value)
    if reason:
        assert f"serving.infrastructure = {infrastructure}\n" in text
        assert f"has nothing for serving.accelerator: {accelerator} ({reason})" in text
    if infrastructure == "aws-efa" and release == "0.4":
        assert (
            f"serving.release = '0.4'\n  wrong:   has no vLLM image for serving.infrastructure: {infrastructure}"
            in text
        )


def test_the_neutral_choice_is_what_no_choice_is() -> None:
    cell = combination("amd", "0.6")
    assert made({**cell.serving, "infrastructure": "none"}).objects == made(cell.serving).objects
