"""Pods that admission changes. `tests/cases/surroundings.yaml` has the rest of what can be wrong around the stack."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from preflight.checks import changed_pods
from preflight.checks.changed_pods import changes
from tests.preflight.typed import Typed, facts, whole

EXISTING: dict[str, Any] = {"createNamespace": False}
DECODE = "Deployment ms-pd-llm-d-modelservice-decode"
TYPED: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("changed.yaml").read_text())
SENT = TYPED["sent"]


def came(**parts: Any) -> list[tuple[str, bool]]:
    """Changes of the pod that came back with other fields of the pod, or (`vllm`) of its container."""
    spec = deepcopy(SENT)
    container = spec["containers"][0] | {"terminationMessagePath": "/dev/termination-log", **parts.pop("vllm", {})}
    spec |= {"restartPolicy": "Always", "schedulerName": "default-scheduler", "serviceAccount": "default"}
    spec |= {"containers": [container, *parts.pop("beside", [])], **parts}
    return [(each.what, each.harmless) for each in changes({"spec": SENT}, {"spec": spec})]


def test_defaults_and_spellings_of_the_server_are_no_change() -> None:
    env = [{"name": "A", "value": "1"}, {"name": "EMPTY"}]
    mounts = [{"name": "shm", "mountPath": "/dev/shm"}, {"name": "token", "mountPath": "/var/run/secrets"}]
    limits = {"memory": "1Gi", "amd.com/gpu": "4", "cpu": "1"}
    tolerations = [*SENT["tolerations"], {"key": "node.kubernetes.io/not-ready", "operator": "Exists"}]
    vllm = {"env": env, "volumeMounts": mounts, "resources": {"limits": limits}}
    assert came(vllm=vllm, tolerations=tolerations) == []


@pytest.mark.parametrize(("parts", "what", "harmless"), TYPED["changes"])
def test_changes_of_a_pod(parts: dict[str, Any], what: str | None, harmless: bool) -> None:
    (first, is_harmless), *_ = came(**parts)
    assert is_harmless is harmless
    assert what is None or first == what


def test_changed_pods_are_a_warning_and_additions_a_note() -> None:
    cluster = Typed(whole())
    known = facts(cluster, **EXISTING)
    cluster.change = lambda pod: pod["spec"]["containers"].append({"name": "istio-proxy", "image": "p"})
    [note] = changed_pods.check(known)
    assert (note.severity, note.remedy) == ("note", "")
    assert "the container istio-proxy is added (p): pods of Deployment gaie-pd-epp, Deployment ms-pd" in note.evidence
    cluster.change = lambda pod: pod["spec"]["containers"][0].pop("resources")
    warned = changed_pods.check(facts(cluster, **EXISTING))
    [warning] = warned
    assert (warning.severity, warning.path) == ("warning", "serving.routing")
    assert f"containers[vllm].resources is removed: pods of {DECODE.replace('decode', 'prefill')}" in warning.evidence
