"""GPUs: what a pod takes is what it computes with, and all pods together what the stack says."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from policy.rule import Object, ObjectRule, Stack, StackRule, Violation
from policy.workloads import Container, pods

GPU = re.compile(
    r"^[a-z0-9.-]*[./](gpu|xe|i915)(\.shared)?$|^gpu\.[a-z0-9.-]+/|^nvidia\.com/mig-[a-z0-9.-]+$|^amd\.com/[a-z]px_nps\d$"
)
"""Extended resources that are GPUs, or shares of one: amd.com/gpu, nvidia.com/gpu.shared, gpu.intel.com/xe,
nvidia.com/mig-3g.71gb, amd.com/cpx_nps4. Another name counts by the stack's output `workloads.<role>.gpuResource`."""

FLAG = re.compile(r"^(?:--tensor-parallel-size|-tp)(?:=(\d+))?$")
SETTINGS = "serving.{role}.tensorParallel, serving.{role}.replicas"


def _count(resources: Mapping[str, Any], which: str, name: str | None = None) -> int:
    """GPUs among the requests or limits; `name`: what they are called there."""
    amounts = resources.get(which) or {}
    return sum(int(float(str(amounts[key]))) for key in amounts if key == name or (not name and GPU.search(key)))


def _other_devices(resources: Mapping[str, Any]) -> bool:
    """Whether there are devices, and none with the name of a GPU: which are GPUs is unknown then."""
    names = [key for key in resources.get("limits") or {} if "/" in key]
    return bool(names) and not any(GPU.search(key) for key in names)


def _tensor_parallel(container: Container) -> dict[str, int]:
    """What says how many GPUs compute one model: the flag, and the variable that tools read."""
    said = {}
    words = [str(word) for word in container.spec.get("args") or []]
    for position, word in enumerate(words):
        found = FLAG.match(word)
        if found:
            said[word.partition("=")[0]] = int(found[1] or words[position + 1])
    for variable in container.spec.get("env") or []:
        if variable["name"] == "TP_SIZE" and variable.get("value"):
            said["TP_SIZE"] = int(variable["value"])
    return said


def _per_pod(subject: Object) -> Iterator[Violation]:
    for each in pods(subject):
        change = f"change {SETTINGS.format(role=each.labels.get('llm-d.ai/role', '<prefill|decode>'))}, which set all"
        for container in each.containers():
            resources = container.spec.get("resources") or {}
            if _other_devices(resources):
                continue
            requests, limits = _count(resources, "requests"), _count(resources, "limits")
            said = _tensor_parallel(container)
            if requests != limits:
                wrong = f"{requests} GPUs requested, and a limit of {limits}"
                yield Violation(f"{container.place}.resources", wrong, change)
            if limits and limits != 1 and not said:
                wrong = f"{limits} GPUs, and nothing that says that more than one computes"
                yield Violation(f"{container.place}.args", wrong, change)
            for what, number in said.items():
                if number > limits:
                    yield Violation(f"{container.place}: {what}", f"{number}, while the pod has {limits} GPUs", change)


def _as_configured(subject: Object, stack: Stack) -> Iterator[Violation]:
    for each in pods(subject):
        role = each.labels.get("llm-d.ai/role")
        configured = (stack.outputs.get("workloads") or {}).get(role) or {}
        name = configured.get("gpuResource")
        taken = sum(_count(one.spec.get("resources") or {}, "limits", name) for one in each.containers())
        taken = taken or sum(_count(one.spec.get("resources") or {}, "limits") for one in each.containers())
        if not taken:
            continue
        replicas, gpus = int(subject["spec"].get("replicas", 1)), int(configured.get("gpus") or 0)
        change = f"change {SETTINGS.format(role=role)}, which decide both, not the object"
        autoscaled = bool(configured) and configured.get("gpus") is None
        if replicas * taken != gpus and not autoscaled:
            yield Violation(
                "spec.replicas",
                f"{replicas} pods of {taken} GPUs, while the stack's output workloads.{role}.gpus says {gpus}",
                change,
            )
        for container in each.containers():
            for what, number in _tensor_parallel(container).items():
                if number != configured.get("tensorParallel"):
                    wrong = f"{number}, while the stack's output workloads.{role}.tensorParallel says "
                    yield Violation(f"{container.place}: {what}", f"{wrong}{configured.get('tensorParallel')}", change)


PER_POD = ObjectRule(
    name="gpus-per-pod",
    must="A container requests as many GPUs as its limit and computes with no more: `--tensor-parallel-size` and "
    "`TP_SIZE` say with how many, if the limit is more than one.",
    outcome="GPUs that cost money would idle, or vLLM would not start for want of them",
    check=_per_pod,
)

AS_CONFIGURED = StackRule(
    name="gpus-as-configured",
    must="A tier's pods together have as many GPUs as the stack's output `workloads` says (where it says a number: an "
    "autoscaler may decide), and compute with as many as its `tensorParallel`.",
    outcome="the bill, the capacity plan and the quota would be of another deployment",
    check=_as_configured,
)
