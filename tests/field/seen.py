"""What the program makes of a stack, by the names that the cases use."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

import preflight
from components.config.problem import distinct
from components.config.reading import settings_of
from components.plan import check, resolve
from preflight.finding import Severity
from tests.field.cases import Case
from tests.preflight.typed import NODES, SPACE, Typed, listed, whole
from tests.program.wire import made

NODE = {"cpu": "256", "memory": "3Ti", "pods": "110", "ephemeral-storage": "28Ti"}
"""What a node offers besides what a case says."""


class Outcome:
    """What happened to one stack."""

    def __init__(self) -> None:
        self.refused: dict[str, str] = {}
        """Text of each refusal by config path."""
        self.warned: list[str] = []
        """Texts of the warnings."""
        self.objects: dict[str, Any] = {}
        """The declared objects, as `_views` names them; empty where the stack is refused."""


def of(case: Case) -> Outcome:
    """What happens to a case."""
    if case.cluster is not None:
        return _of_cluster(case.settings, case.cluster)
    return of_settings(case.settings, objects=bool(case.right.deployed or case.today.deployed))


def of_settings(settings: Mapping[str, Any], *, objects: bool) -> Outcome:
    """The program with these settings, without a cluster; `objects`: whether they are looked at, which takes longer."""
    outcome = Outcome()
    given = settings["model"].get("tokenSecret", "") is not None
    read, problems = settings_of(dict(settings))
    outcome.refused = {each.path: each.text() for each in distinct([*problems, *check(read, token_given=given)])}
    if not outcome.refused:
        outcome.warned = list(resolve(read, None).notes)
    if objects and not outcome.refused:
        outcome.objects = _views(made(settings).objects)
    return outcome


def unwarned(said: Mapping[str, list[str]], texts: list[str]) -> Iterator[str]:
    """In what warnings are not as said: one with the path and the words for each path, and no other."""
    if len(texts) != len(said):
        yield f"warned: {texts}"
    for path, words in said.items():
        if not any(all(word in text for word in (path, *words)) for text in texts):
            yield f"no warning with {path}, {words}: {texts}"


def _of_cluster(settings: Mapping[str, Any], cluster: Mapping[str, Any]) -> Outcome:
    """The preflight on a typed cluster."""
    read, problems = settings_of(dict(settings))
    problems += check(read, token_given=True)
    assert not problems, [each.text() for each in problems]
    absent = [*cluster.get("without", ()), *([SPACE] if read.create_namespace else [])]
    answers = whole(**{NODES: listed(*map(_node, cluster["nodes"])), **cluster.get("answers", {})})
    for path in absent:
        del answers[path]
    report = preflight.run(resolve(read, None), Typed(answers))
    assert not report.unreachable, report.unreachable
    outcome = Outcome()
    outcome.refused = {each.path: each.text() for each in report.of(Severity.ERROR)}
    outcome.warned = [each.text() for each in report.of(Severity.WARNING)]
    return outcome


def _node(said: Mapping[str, Any]) -> dict[str, Any]:
    """A Node: `offers` is its allocatable, `has` its capacity where that differs."""
    name = said["name"]
    offers = {**NODE, **{key: str(amount) for key, amount in said.get("offers", {}).items()}}
    has = {**offers, **{key: str(amount) for key, amount in said.get("has", {}).items()}}
    return {
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, **said.get("labels", {})}},
        "spec": {"taints": said.get("taints")},
        "status": {
            "allocatable": {key: amount for key, amount in offers.items() if amount != "None"},
            "capacity": has,
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }


def _views(objects: Mapping[str, Any]) -> dict[str, Any]:
    """Workers, picker, istio's overlays and the files of standalone's Envoy by name; every object by `Kind/name`."""
    views = dict(objects)
    for key, each in objects.items():
        if not key.startswith("Deployment/"):
            continue
        role = each["metadata"].get("labels", {}).get("llm-d.ai/role")
        if role:
            views[role] = _tier(each)
    for key, each in objects.items():
        if key.startswith("ConfigMap/") and key.endswith("-epp"):
            [config] = each["data"].values()
            views["picker"] = {"config": yaml.safe_load(config)}
        if key.startswith("ConfigMap/") and "deployment" in each["data"]:
            views["proxy"] = {name: yaml.safe_load(text) for name, text in each["data"].items()}
        if key.startswith("ConfigMap/") and "envoy.yaml" in each["data"]:
            files = {name: yaml.safe_load(text) for name, text in each["data"].items()}
            listeners = files["envoy.yaml"]["static_resources"]["listeners"]
            views["envoy"] = {**files, "listeners": {one["name"]: one for one in listeners}}
    return views


def _tier(deployment: Mapping[str, Any]) -> dict[str, Any]:
    template = deployment["spec"]["template"]
    pod = template["spec"]
    containers = {
        {"routing-proxy": "sidecar"}.get(each["name"], each["name"]): _container(each)
        for each in [*pod["containers"], *pod.get("initContainers", [])]
    }
    return {
        "deployment": deployment,
        "labels": template["metadata"]["labels"],
        "annotations": template["metadata"].get("annotations", {}),
        "pod": pod,
        **containers,
    }


def _container(container: Mapping[str, Any]) -> dict[str, Any]:
    """A container with its variables by name, and its JSON flags read."""
    env = {each["name"]: each.get("value", each.get("valueFrom")) for each in container.get("env", [])}
    flags = dict(each.split("=", 1) for each in container.get("args", []) if each.startswith("--") and "=" in each)
    mounts = {each["mountPath"]: each for each in container.get("volumeMounts", [])}
    transfer = json.loads(flags.get("--kv-transfer-config", "{}"))
    return {**container, "env": env, "flags": flags, "mounts": mounts, "transfer": transfer}
