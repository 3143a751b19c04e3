"""What the program makes of settings: as data, and as the requests of a run to the engine."""

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import components.objects
from components.config.reading import settings_of
from components.manifests import Manifest
from components.names import suffix
from components.plan import check, resolve
from tests.program.expected import Combination
from tests.program.shape import normal
from tests.recorder import Declared, Recorder, run_program

AMD: dict[str, Any] = {
    "accelerator": "amd",
    "model": {"name": "amd/Llama-3.3-70B-Instruct-FP8-KV"},
    "rdma": {"resource": "rdma/ib"},
}
"""The tracked stack of that name."""


TOKEN = "Secret/llm-d-hf-token"
HASH = "llm-d.ai/config-sha256"
APART = "(checked apart)"

PARTS = {
    "namespace": "serving-namespace",
    "gateway": "model-gateway",
    "pool": "inference-pool",
    "picker": "endpoint-picker",
    "prefill": "prefill",
    "decode": "decode",
    "monitoring": "monitoring",
    "isolation": "network-isolation",
}
"""Names of the components, by the field of the plan that holds their arguments."""


@dataclass(frozen=True)
class Made:
    """The objects of settings as data, without a run of the program, which takes ten times as long.

    `tests/preflight/test_declared.py` and `test_invariants.py` compare them with what the program registers. The
    Secret `TOKEN` is not among them.
    """

    resources: Mapping[tuple[str, str], Manifest]
    """By the name of the Pulumi resource and the kind."""
    objects: dict[str, dict[str, Any]]
    """By `Kind/name`."""
    notes: list[str]
    """Warnings of the plan."""


def made(serving: Mapping[str, Any]) -> Made:
    """The objects that the program declares for settings that it accepts. Not to be changed."""
    return _made(json.dumps(serving))


@cache
def _made(serving: str) -> Made:
    settings, problems = settings_of(json.loads(serving))
    problems = [*problems, *check(settings, token_given=settings.model.token_secret is not None)]
    assert not problems, [problem.text() for problem in problems]
    plan = resolve(settings)
    resources = {
        (f"{PARTS[part]}-{each.resource}{suffix(each.generation or '')}", each.kind): each
        for part, manifests in components.objects.objects(plan).items()
        for each in manifests
    }
    return Made(resources, {f"{each.kind}/{each.name}": each.document for each in resources.values()}, plan.notes)


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


def remade(one: Made, other: Made) -> set[str]:
    """Names of the resources that differ as data."""
    keys = one.resources.keys() | other.resources.keys()
    return {key[0] for key in keys if one.resources.get(key) != other.resources.get(key)}


def changed(one: Recorder, other: Recorder) -> set[str]:
    """Names of the resources with different registrations."""
    left, right = requests(one), requests(other)
    return {urn.rsplit("::", 1)[-1] for urn in left.keys() | right.keys() if left.get(urn) != right.get(urn)}


def comparable(objects: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """The objects in normal form, with a mark where hashes, drain scripts, dashboards and words for people stand."""
    objects = copy.deepcopy(dict(objects))
    for key, each in objects.items():
        kind, _, name = key.partition("/")
        if kind == "ConfigMap" and name.startswith("llm-d-pd-dashboard-"):
            each["data"] = dict.fromkeys(each["data"], APART)
        if kind == "PrometheusRule":
            for rule in each["spec"]["groups"][0]["rules"]:
                rule["annotations"] = APART
        if kind == "Deployment":
            template = each["spec"]["template"]
            if HASH in template["metadata"].get("annotations", {}):
                template["metadata"]["annotations"][HASH] = APART
            for container in template["spec"]["containers"]:
                if "lifecycle" in container:
                    container["lifecycle"]["preStop"]["exec"]["command"] = APART
    result: dict[str, Any] = normal(objects)
    return result


def worker(recorder: Recorder | Made, role: str, postfix: str = "pd") -> dict[str, Any]:
    """The Deployment of a tier."""
    return recorder.objects[f"Deployment/ms-{postfix}-llm-d-modelservice-{role}"]


def pod(recorder: Recorder | Made, role: str) -> dict[str, Any]:
    """Pod spec of a tier."""
    spec: dict[str, Any] = worker(recorder, role)["spec"]["template"]["spec"]
    return spec


def vllm(recorder: Recorder | Made, role: str) -> dict[str, Any]:
    """The vLLM container of a tier."""
    [container] = pod(recorder, role)["containers"]
    assert isinstance(container, dict)
    return container


def environment(recorder: Recorder | Made, role: str) -> dict[str, Any]:
    """Plain environment variables of a tier."""
    return {each["name"]: each["value"] for each in vllm(recorder, role)["env"] if "value" in each}
