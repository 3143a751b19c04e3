"""A real API server accepts every declared object for combinations of gateway, infrastructure, accelerator and release,
by dry runs with the schemas of all kinds."""

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
"""An existing namespace, because a dry run makes nothing."""
PLACE = {"namespace": NAMESPACE, "createNamespace": False}
LOCKED = {"security": {"level": "locked", "gatewayRanges": ["10.129.0.0/23"]}}

WHOLE = {
    "Deployment/ms-pd-llm-d-modelservice-prefill",
    "Deployment/ms-pd-llm-d-modelservice-decode",
    "Deployment/gaie-pd-epp",
    "InferencePool/gaie-pd",
}
"""Objects that every cell declares."""


def one_per_provider(cells: list[Cell]) -> list[Cell]:
    """One cell of each provider, with values of the other settings that earlier cells lack, if possible."""
    left = list(cells)
    chosen: list[Cell] = []
    while left:
        seen = {word for cell in chosen for word in cell}
        best = max(left, key=lambda cell: len({*cell} - seen))
        chosen.append(best)
        left = [cell for cell in left if cell.provider is not best.provider]
    return chosen


def refused(running: Running, stacks: list[dict[str, Any]]) -> dict[str, str]:
    """Return the API server's message about each refused object; objects that several stacks share are sent once."""
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
    """Return the path of an object's collection, from the API server's discovery."""

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
    """The strictest stack of each provider and release; some infrastructures don't allow it."""
    return [{**cell.serving, **LOCKED} for cell in cells if cell.infrastructure is None and cell.accelerator == "amd"]


def test_objects_of_one_cell_per_provider_are_accepted(cluster: Running) -> None:
    chosen = one_per_provider(legal())
    assert {cell.provider for cell in chosen} == {*Provider}
    latest = [cell for cell in legal() if cell.release is chosen[0].release]
    assert refused(cluster, [*(cell.serving for cell in chosen), *locked(latest)]) == {}


@pytest.mark.thorough
def test_objects_of_every_legal_cell_are_accepted(cluster: Running) -> None:
    assert refused(cluster, [*(cell.serving for cell in legal()), *locked(legal())]) == {}
