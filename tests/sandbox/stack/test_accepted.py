"""What the program declares for combinations of gateway, infrastructure, accelerator and release: a real API server
takes every object of it, by a dry run that the schemas of all kinds are asked in."""

import json
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from components.config.vocabulary import Provider
from components.plan.combinations import Cell, legal
from sandbox.cluster.api import Api, ApiError, connect
from tests.recorder import plain, run_program
from tests.sandbox.running import Running

NAMESPACE = "default"
"""There before and after: a dry run makes nothing."""
PLACE = {"namespace": NAMESPACE, "createNamespace": False}
LOCKED = {"security": {"level": "locked", "gatewayRanges": ["10.129.0.0/23"]}}

WHOLE = {
    "Deployment/ms-pd-llm-d-modelservice-prefill",
    "Deployment/ms-pd-llm-d-modelservice-decode",
    "Deployment/gaie-pd-epp",
    "InferencePool/gaie-pd",
}
"""What every cell declares, whatever else."""


def one_per_provider(cells: list[Cell]) -> list[Cell]:
    """A cell of each provider, with words for the rest that none before it has, while there are."""
    left = list(cells)
    chosen: list[Cell] = []
    while left:
        seen = {word for cell in chosen for word in cell}
        best = max(left, key=lambda cell: len({*cell} - seen))
        chosen.append(best)
        left = [cell for cell in left if cell.provider is not best.provider]
    return chosen


def refused(running: Running, stacks: list[dict[str, Any]]) -> dict[str, str]:
    """What the API server says of objects that it does not take; of those that stacks have in common, once."""
    found: dict[str, str] = {}
    sent = set[str]()
    query = {"dryRun": "All", "fieldValidation": "Strict", "force": "true"}
    with connect(running.host_kubeconfig) as api:
        collection = _collections(api)
        for serving in stacks:
            objects = plain(run_program({**serving, **PLACE}).objects)
            assert objects.keys() > WHOLE, serving
            for key, one in objects.items():
                text = json.dumps(one, sort_keys=True)
                if text in sent:
                    continue
                sent.add(text)
                path = f"{collection(one)}/{one['metadata']['name']}"
                try:
                    api.patch(path, one, "application/apply-patch+yaml", **query)
                except ApiError as error:
                    found[f"{key} of {serving}"] = str(error)
    return found


def _collections(api: Api) -> Callable[[dict[str, str]], str]:
    """The collection that an object belongs to, as the API server itself says."""

    @cache
    def of(version: str) -> dict[str, str]:
        root = f"/apis/{version}" if "/" in version else f"/api/{version}"
        served = [each for each in api.get(root)["resources"] if "/" not in each["name"]]
        return {
            each["kind"]: f"{root}/namespaces/{NAMESPACE}/{each['name']}"
            if each["namespaced"]
            else f"{root}/{each['name']}"
            for each in served
        }

    return lambda one: of(one["apiVersion"])[one["kind"]]


def locked(cells: list[Cell]) -> list[dict[str, Any]]:
    """The strictest stack of each provider and release; some infrastructures cannot be locked."""
    return [{**cell.serving, **LOCKED} for cell in cells if cell.infrastructure is None and cell.accelerator == "amd"]


def test_every_object_of_one_cell_per_provider(cluster: Running) -> None:
    chosen = one_per_provider(legal())
    assert {cell.provider for cell in chosen} == {*Provider}
    latest = [cell for cell in legal() if cell.release is chosen[0].release]
    assert refused(cluster, [*(cell.serving for cell in chosen), *locked(latest)]) == {}


@pytest.mark.thorough
def test_every_object_of_every_legal_cell(cluster: Running) -> None:
    assert refused(cluster, [*(cell.serving for cell in legal()), *locked(legal())]) == {}
