"""The table of legal combinations against one typed by hand, and the page that is generated from it."""

from components.config.vocabulary import Accelerator, Infrastructure, Provider, ReleaseName
from components.plan.combinations import Cell, cells, legal

ONE_VENDOR = {
    "openshift-roce": "nvidia",
    "coreweave": "nvidia",
    "aws-efa": "nvidia",
    "gke-roce": "nvidia",
    "oci-amd": "amd",
}
ITS_RELEASES = {"aws-efa": {"0.6", "0.9"}, "data-science-gateway": {"0.6", "0.9", "0.10"}}
ELSEWHERE = {
    "gke": {"openshift-roce", "coreweave", "aks", "oci-amd", "aws-efa", "digitalocean"},
    "data-science-gateway": {"gke-roce", "coreweave", "aks", "oci-amd", "aws-efa", "digitalocean"},
}


def refused(cell: Cell) -> bool:
    where = str(cell.infrastructure)
    return (
        ONE_VENDOR.get(where, cell.accelerator) != cell.accelerator
        or any(cell.release not in ITS_RELEASES.get(each, {cell.release}) for each in (where, cell.provider))
        or where in ELSEWHERE.get(cell.provider, set())
    )


def test_every_cell_is_there_once() -> None:
    assert len(cells()) == len(Provider) * (1 + len(Infrastructure)) * len(Accelerator) * len(ReleaseName)


def test_the_cells_that_cannot_work_are_refused_and_no_others() -> None:
    assert {cell for cell in cells() if refused(cell)} == cells().keys() - set(legal())


def test_every_refusal_has_its_reason_and_its_way_out() -> None:
    for cell, problems in cells().items():
        for each in problems:
            assert each.wrong, cell
            assert each.outcome, cell
            assert each.change, cell
