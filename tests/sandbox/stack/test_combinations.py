"""The combinations that no stack with running pods has, up and down at a real scheduler.

An infrastructure with an accelerator, and a provider with a release: the scheduler sees nothing of the provider, and
the provider nothing of the nodes, so a cell tries one of each kind. test_infrastructures and test_providers try the
others with pods that run.
"""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache

import pytest
import yaml
from kubernetes.client import V1Namespace, V1ObjectMeta

from components.config.vocabulary import Accelerator, Infrastructure, Provider, ReleaseName
from components.plan.combinations import Cell, legal
from sandbox.cluster import descriptions, lifecycle
from sandbox.cluster.admission import Admission
from sandbox.cluster.description import GPU_RESOURCE
from tests.sandbox.running import Running, private_home, provide_nodes, start, throw_away
from tests.sandbox.stack.deployment import Deployment, deployment, destroyed_afterwards
from tests.sandbox.stack.test_infrastructures import vendor_of
from tests.sandbox.stack.test_providers import NOT_SERVED, SERVED

pytestmark = pytest.mark.thorough

OURS = "combinations"
Stacks = Callable[[str], Deployment]


def covering(cells: list[Cell]) -> list[Cell]:
    """Few of the cells, with every pair that is tried nowhere else; those that bring most new ones first."""
    uncovered = {pair for cell in cells for pair in _pairs(cell)} - _TRIED
    chosen = []
    while uncovered:
        best = max(cells, key=lambda cell: len(uncovered & _pairs(cell)))
        chosen.append(best)
        uncovered -= _pairs(best)
    return sorted(chosen, key=lambda cell: (cell.accelerator, str(cell.infrastructure)))


def _pairs(cell: Cell) -> set[tuple[object, ...]]:
    return {(cell.infrastructure, cell.accelerator), (cell.provider, cell.release)}


_TRIED: set[tuple[object, ...]] = {
    *((infrastructure, Accelerator(vendor_of(infrastructure))) for infrastructure in Infrastructure),
    *((Provider(provider), ReleaseName(release)) for provider, release in SERVED),
    *((Provider(provider), ReleaseName(release)) for provider, release, *_ in NOT_SERVED),
}


@pytest.fixture(scope="module")
def simulated() -> Iterator[Running]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(lifecycle.NO_NAMESPACES, "1")
        home = private_home("combinations")
        try:
            yield start(home, Admission(extended_resource_toleration=True))  # as GKE and AKS
        finally:
            throw_away(home)


@pytest.fixture(scope="module")
def stacks(simulated: Running) -> Iterator[Stacks]:
    """A stack of each vendor in a namespace that is there before and after, one at a time."""
    with ExitStack() as held:

        @cache
        def made(vendor: str) -> Deployment:
            stack = held.enter_context(destroyed_afterwards(deployment(simulated, vendor)))
            stack.api.create_namespace(V1Namespace(metadata=V1ObjectMeta(name=f"{OURS}-{vendor}")))
            stack.configure(rdma=None, namespace=f"{OURS}-{vendor}", createNamespace=False)
            return stack

        yield made


@pytest.mark.parametrize("cell", covering(legal()), ids=lambda cell: "-".join(map(str, cell)))
def test_a_cell_goes_up_and_down(cell: Cell, stacks: Stacks) -> None:
    stack = stacks(cell.accelerator.value)
    _set(stack, cell)
    provide_nodes(stack.cluster, cell.accelerator.value, chosen=_described(cell))
    said = stack.up()
    assert re.search(rf'release *: "{re.escape(cell.release.value)}"', said), said
    stack.pulumi("destroy", "--yes", "--skip-preview")


def _described(cell: Cell) -> str | None:
    """The description of the cell's infrastructure, if its nodes have GPUs of the accelerator."""
    if cell.infrastructure is None:
        return None
    groups = descriptions.read(descriptions.find(cell.infrastructure.value)).nodes
    fits = any(one.gpu_resource in (None, GPU_RESOURCE[cell.accelerator.value]) for one in groups if one.gpus)
    return cell.infrastructure.value if fits else None


def _set(stack: Deployment, cell: Cell) -> None:
    """Write the cell's words into the stack file: five calls of the CLI fewer than with `pulumi config`."""
    file = stack.engine.cwd / f"Pulumi.{stack.stack}.yaml"
    document = yaml.safe_load(file.read_text())
    serving = document["config"]["llm-d-pd:serving"]
    serving.pop("infrastructure", None)
    serving |= {key: value for key, value in cell.serving.items() if key != "model"}
    file.write_text(yaml.safe_dump(document))


@pytest.mark.parametrize("vendor", ["amd", "nvidia"])
def test_nothing_is_left(vendor: str, stacks: Stacks) -> None:
    stack = stacks(vendor)
    assert json.loads(stack.pulumi("stack", "export").stdout)["deployment"].get("resources", []) == []
    assert stack.objects() == set()
