"""Every legal combination of gateway, infrastructure, accelerator and release against a real API server and scheduler.

Pods are only said to be ready here: what is placed, and that it serves, other tests prove for each word by itself.
"""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from itertools import combinations

import pytest
import yaml
from kubernetes.client import V1Namespace, V1ObjectMeta

from components.plan.combinations import Cell, legal
from sandbox.cluster import lifecycle, nodes
from sandbox.cluster.api import Api, ApiError, connect
from tests.recorder import plain, run_program
from tests.sandbox.running import Running, private_home, start, throw_away
from tests.sandbox.stack.deployment import Deployment, deployment, destroyed_afterwards

pytestmark = pytest.mark.thorough

OURS = "combinations"
WHOLE = {
    "Deployment/ms-pd-llm-d-modelservice-prefill",
    "Deployment/ms-pd-llm-d-modelservice-decode",
    "Deployment/gaie-pd-epp",
    "InferencePool/gaie-pd",
}
"""What every cell declares, whatever else."""
Stacks = Callable[[str], Deployment]


def pairwise(cells: list[Cell]) -> list[Cell]:
    """Few of the cells, with every pair of words that any of them has; those that bring most new ones first."""
    uncovered = {pair for cell in cells for pair in _pairs(cell)}
    chosen = []
    while uncovered:
        best = max(cells, key=lambda cell: len(uncovered & _pairs(cell)))
        chosen.append(best)
        uncovered -= _pairs(best)
    return sorted(chosen, key=lambda cell: (cell.accelerator, str(cell.infrastructure)))


def _pairs(cell: Cell) -> set[tuple[object, ...]]:
    return set(combinations(enumerate(map(str, cell)), 2))


@pytest.fixture(scope="module")
def simulated() -> Iterator[Running]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(lifecycle.NO_NAMESPACES, "1")
        home = private_home("combinations")
        try:
            yield start(home)
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


def test_the_api_server_accepts_every_object_of_every_legal_cell(simulated: Running) -> None:
    refused: dict[str, str] = {}
    sent = set[str]()
    with connect(simulated.host_kubeconfig) as api:
        collection = _collections(api)
        api.apply(f"/api/v1/namespaces/{OURS}", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": OURS}})
        for cell in legal():
            objects = plain(run_program({**cell.serving, "namespace": OURS}).objects)
            assert objects.keys() > WHOLE, cell
            for key, one in objects.items():
                text = json.dumps(one, sort_keys=True)
                if text in sent:
                    continue
                sent.add(text)
                query = {"dryRun": "All", "fieldValidation": "Strict", "force": "true"}
                try:
                    api.patch(
                        f"{collection(one)}/{one['metadata']['name']}", one, "application/apply-patch+yaml", **query
                    )
                except ApiError as error:
                    refused[f"{key} of {cell}"] = str(error)
    assert refused == {}


def _collections(api: Api) -> Callable[[dict[str, str]], str]:
    """The collection that an object belongs to, as the API server itself says."""

    @cache
    def of(version: str) -> dict[str, str]:
        root = f"/apis/{version}" if "/" in version else f"/api/{version}"
        served = [each for each in api.get(root)["resources"] if "/" not in each["name"]]
        return {
            each["kind"]: f"{root}/namespaces/{OURS}/{each['name']}" if each["namespaced"] else f"{root}/{each['name']}"
            for each in served
        }

    return lambda one: of(one["apiVersion"])[one["kind"]]


@pytest.mark.parametrize("cell", pairwise(legal()), ids=lambda cell: "-".join(map(str, cell)))
def test_every_pair_goes_up_and_down(cell: Cell, stacks: Stacks) -> None:
    stack = stacks(cell.accelerator.value)
    _set(stack, cell)
    fleet = nodes.fleet_of(stack.engine.cwd / f"Pulumi.{stack.stack}.yaml", 2)
    assert fleet is not None
    nodes.provide(stack.cluster.host_kubeconfig, fleet)
    said = stack.up()
    assert re.search(rf'release *: "{re.escape(cell.release.value)}"', said), said
    stack.pulumi("destroy", "--yes", "--skip-preview")


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
