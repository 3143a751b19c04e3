"""Every infrastructure with its accelerators, and every provider with its releases, with a real scheduler.

The provider makes no difference to the scheduler, and the nodes none to the provider, so a cell tries one of each kind.
Placed pods are Ready at once; test_providers has the providers with a controller in the sandbox.
"""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache

import pytest
import yaml
from kubernetes.client import V1Namespace, V1ObjectMeta

from components.config.vocabulary import Accelerator, Provider, ReleaseName
from components.infrastructures import profile
from components.plan.combinations import Cell, legal
from sandbox.cluster import description, lifecycle
from sandbox.cluster.control_plane import Admission
from sandbox.cluster.description import GPU_RESOURCE, Description
from tests.sandbox.running import provide_nodes, separate
from tests.sandbox.stack.deployment import Deployment, deployment, destroyed_afterwards, gpus, ready
from tests.sandbox.stack.test_providers import SERVED

pytestmark = pytest.mark.thorough

Stacks = Callable[[Accelerator, Admission], Deployment]


def covering(cells: list[Cell]) -> list[Cell]:
    """Return few cells with all pairs; cells with most new pairs come first."""
    uncovered = {pair for cell in cells for pair in _pairs(cell)} - _TRIED
    chosen = []
    while uncovered:
        best = max(cells, key=lambda cell: len(uncovered & _pairs(cell)))
        chosen.append(best)
        uncovered -= _pairs(best)
    return sorted(chosen, key=lambda cell: (cell.accelerator, str(_admission(cell)), str(cell.infrastructure)))


def _pairs(cell: Cell) -> set[tuple[object, ...]]:
    return {(cell.infrastructure, cell.accelerator), (cell.provider, cell.release)}


_TRIED: set[tuple[object, ...]] = {(Provider(provider), ReleaseName(release)) for provider, release in SERVED}


def _described(cell: Cell) -> Description | None:
    """Return the description of the cell's infrastructure, if its nodes have GPUs of the accelerator."""
    if cell.infrastructure is None:
        return None
    found = description.read(description.find(cell.infrastructure.value))
    fits = any(one.gpu_resource in (None, GPU_RESOURCE[cell.accelerator.value]) for one in found.nodes if one.gpus)
    return found if fits else None


def _admission(cell: Cell) -> Admission:
    described = _described(cell)
    return described.admission if described else Admission()


@pytest.fixture(scope="module")
def stacks() -> Iterator[Stacks]:
    """A stack of each vendor in an existing namespace, one at a time, on a separate cluster."""
    with ExitStack() as held:

        @cache
        def made(accelerator: Accelerator, admission: Admission) -> Deployment:
            held.close()
            simulated = held.enter_context(separate("combinations", admission, {lifecycle.NO_NAMESPACES: "1"}))
            stack = held.enter_context(destroyed_afterwards(deployment(simulated, accelerator.value)))
            stack.api.create_namespace(V1Namespace(metadata=V1ObjectMeta(name="combinations")))
            stack.configure(rdma=None, namespace="combinations", createNamespace=False)
            return stack

        yield made


@pytest.mark.parametrize("cell", covering(legal()), ids=lambda cell: "-".join(map(str, cell)))
def test_workers_are_placed_with_their_devices_and_nothing_is_left(cell: Cell, stacks: Stacks) -> None:
    stack, vendor = stacks(cell.accelerator, _admission(cell)), cell.accelerator.value
    _set(stack, cell)
    provide_nodes(stack.cluster, vendor, chosen=str(cell.infrastructure) if _described(cell) else None)
    said = stack.up(preflight="enforce")
    assert re.search(rf'release *: "{re.escape(cell.release.value)}"', said), said

    chosen = profile(cell.infrastructure)
    for role, parallel in (("prefill", 1), ("decode", 4)):
        pods = [pod for pod in stack.pods("combinations", role=role) if pod.metadata.deletion_timestamp is None]
        assert pods
        for pod in pods:
            assert ready(pod)
            assert gpus(pod, f"{vendor}.com/gpu") == (8 if chosen.whole_node else parallel)
            if chosen.device:
                assert gpus(pod, chosen.device.resource) == chosen.device.amount(parallel)
            assert chosen.annotations.keys() <= (pod.metadata.annotations or {}).keys()
    stack.pulumi("destroy", "--yes", "--skip-preview")
    assert json.loads(stack.pulumi("stack", "export").stdout)["deployment"].get("resources", []) == []
    assert stack.objects() == set()


def _set(stack: Deployment, cell: Cell) -> None:
    """Write the cell's settings into the stack file, which saves five calls of `pulumi config`."""
    file = stack.engine.cwd / f"Pulumi.{stack.stack}.yaml"
    document = yaml.safe_load(file.read_text())
    serving = document["config"]["llm-d-pd:serving"]
    for name in ("infrastructure", "gateway"):
        serving.pop(name, None)
    serving |= {key: value for key, value in cell.serving.items() if key != "model"}
    serving["model"]["maxModelLen"] = 2048  # on H100s, which some clusters have, preflight refuses 32,000 tokens
    file.write_text(yaml.safe_dump(document))
