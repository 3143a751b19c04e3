"""The requests of a run to the engine, in a form in which two runs can be compared."""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from tests.program.expected import Combination
from tests.recorder import Declared, Recorder, run_program

AMD: dict[str, Any] = {
    "accelerator": "amd",
    "model": {"name": "amd/Llama-3.3-70B-Instruct-FP8-KV"},
    "rdma": {"resource": "rdma/ib"},
}
"""The tracked stack of that name."""


def ran(serving: Mapping[str, Any]) -> Recorder:
    """The program with these settings, run once however often it is asked for. Not to be changed."""
    return _ran(json.dumps(serving))


@cache
def _ran(serving: str) -> Recorder:
    return run_program(json.loads(serving))


def default() -> Recorder:
    """The amd stack as it is."""
    return ran(AMD)


def recorded(combination: Combination) -> Recorder:
    """The program with these switches."""
    return ran(combination.serving)


def requests(recorder: Recorder) -> dict[str, Any]:
    """The whole registration of each resource, except its place in the sources."""
    return {urn: _request(each) for urn, each in recorder.declared.items()}


def _request(each: Declared) -> dict[str, Any]:
    request = each.request
    return {
        "inputs": each.inputs,
        "parent": request.parent,
        "provider": request.provider,
        "dependencies": sorted(request.dependencies),
        "timeouts": (request.customTimeouts.create, request.customTimeouts.update, request.customTimeouts.delete),
        "deleteBeforeReplace": request.deleteBeforeReplace,
        "replaceOnChanges": list(request.replaceOnChanges),
        "ignoreChanges": list(request.ignoreChanges),
        "protect": request.protect,
        "retainOnDelete": request.retainOnDelete,
        "aliases": [alias.urn or alias.spec.name for alias in request.aliases],
    }


def changed(one: Recorder, other: Recorder) -> set[str]:
    """Names of the resources with different registrations."""
    left, right = requests(one), requests(other)
    return {urn.rsplit("::", 1)[-1] for urn in left.keys() | right.keys() if left.get(urn) != right.get(urn)}


def texts_apart(objects: dict[str, Any]) -> None:
    """Put a mark where dashboards and words for people stand, which have tests of their own."""
    for key, each in objects.items():
        if key.startswith("ConfigMap/llm-d-pd-dashboard-"):
            each["data"] = dict.fromkeys(each["data"], "(checked apart)")
        if key.startswith("PrometheusRule/"):
            for rule in each["spec"]["groups"][0]["rules"]:
                rule["annotations"] = "(checked apart)"


def worker(recorder: Recorder, role: str, postfix: str = "pd") -> dict[str, Any]:
    """The Deployment of a tier."""
    return recorder.objects[f"Deployment/ms-{postfix}-llm-d-modelservice-{role}"]


def pod(recorder: Recorder, role: str) -> dict[str, Any]:
    """Pod spec of a tier."""
    spec: dict[str, Any] = worker(recorder, role)["spec"]["template"]["spec"]
    return spec


def vllm(recorder: Recorder, role: str) -> dict[str, Any]:
    """The vLLM container of a tier."""
    [container] = pod(recorder, role)["containers"]
    assert isinstance(container, dict)
    return container


def environment(recorder: Recorder, role: str) -> dict[str, Any]:
    """Plain environment variables of a tier."""
    return {each["name"]: each["value"] for each in vllm(recorder, role)["env"] if "value" in each}


def containers(recorder: Recorder) -> Iterator[dict[str, Any]]:
    """Every container of every Deployment."""
    for key, each in recorder.objects.items():
        if key.startswith("Deployment/"):
            spec = each["spec"]["template"]["spec"]
            yield from [*spec["containers"], *spec.get("initContainers", [])]
