"""Every rule accepts a correct object and names the fault of a wrong one."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from policy.rule import ObjectRule, Stack, Violation
from policy.rules import RULES

RULE = {rule.name: rule for rule in RULES}
OUTPUTS = {"hostNetwork": False, "workloads": {"decode": {"replicas": 2, "gpus": 8, "tensorParallel": 4}}}
TYPED: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("tiers.yaml").read_text())


def container(**changes: Any) -> dict[str, Any]:
    """A good container."""
    return {**TYPED["container"], **changes}


def workload(kind: str = "Deployment", sidecar: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """A good tier; `changes` are of its pods, `sidecar` of their sidecar."""
    pod = {
        "serviceAccountName": "workers",
        "initContainers": [container(name="sidecar", args=[], env=[], resources={}, **(sidecar or {}))],
        "containers": [container()],
        **changes,
    }
    spec = {"replicas": 2, "template": {"metadata": {"labels": {"llm-d.ai/role": "decode"}}, "spec": pod}}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "decode", "namespace": "llm"}, "spec": spec}


def vllm(**changes: Any) -> dict[str, Any]:
    """A tier with a changed container."""
    return workload(containers=[container(**changes)])


def found(name: str, subject: dict[str, Any], *others: dict[str, Any], **outputs: Any) -> list[Violation]:
    """What a rule finds in an object, among others, in a stack with these outputs."""
    rule = RULE[name]
    if isinstance(rule, ObjectRule):
        return list(rule.check(subject))
    objects = {str(number): each for number, each in enumerate((subject, *others))}
    return list(rule.check(subject, Stack(objects, {**OUTPUTS, **outputs})))


def _tier(said: dict[str, Any]) -> dict[str, Any]:
    """A good tier with the changes of the file."""
    pod = {"containers": [container(**said.get("vllm", {}))], **said.get("pod", {})}
    return workload(said.get("kind", "Deployment"), said.get("sidecar"), **pod)


ACCEPTED: list[tuple[str, dict[str, Any]]] = [(name, {}) for name in RULE]
ACCEPTED += [(name, said) for name, several in TYPED["accepted"].items() for said in several]
REJECTED: list[tuple[str, dict[str, Any], str, str]] = [
    (name, _tier(said), place, wrong) for name, rows in TYPED["rejected"].items() for said, place, wrong in rows
]


@pytest.mark.parametrize(("name", "said"), ACCEPTED, ids=str)
def test_a_good_object_passes(name: str, said: dict[str, Any]) -> None:
    assert found(name, _tier(said)) == []


@pytest.mark.parametrize(("name", "subject", "place", "wrong"), REJECTED, ids=lambda value: str(value)[:40])
def test_a_bad_object_is_named_with_its_remedy(name: str, subject: dict[str, Any], place: str, wrong: str) -> None:
    [one] = found(name, subject)
    assert place in one.place
    assert wrong in one.wrong
    text = RULE[name].text(one, subject)
    assert text.startswith(f"Deployment llm/decode: {one.place}\n  wrong:   ")
    assert f"\n  outcome: {RULE[name].outcome}\n  change:  {one.change}" in text
    assert "hf_abc" not in text and "sk-abc" not in text and "AKIA" not in text


@pytest.mark.parametrize("kind", ["CronJob", "Pod"])
def test_pods_are_found_in_every_kind_that_makes_them(kind: str) -> None:
    spec = workload(serviceAccountName=None)["spec"]
    subject = {"kind": kind, "metadata": {"name": "x"}, "spec": spec["template"]["spec"]}
    if kind == "CronJob":
        subject["spec"] = {"jobTemplate": {"spec": spec}}
    [one] = found("own-service-account", subject)
    assert one.place == {"CronJob": "spec.jobTemplate.spec.template.spec", "Pod": "spec"}[kind] + ".serviceAccountName"


def test_a_debugging_stack_may() -> None:
    subject = workload(hostNetwork=True, containers=[container(securityContext={"privileged": True})])
    assert found("debugging-only-where-said", subject, hostNetwork=True) == []
    assert len(found("debugging-only-where-said", subject)) == 2


def test_gpus_are_those_of_the_outputs() -> None:
    assert found("gpus-as-configured", workload(), workloads={"decode": {"gpus": 16}})
    assert found("gpus-as-configured", workload(), workloads={})
    autoscaled = {"decode": {"replicas": None, "gpus": None, "tensorParallel": 4}}
    assert not found("gpus-as-configured", workload(), workloads=autoscaled)


def test_gpus_of_any_name_are_counted_by_the_outputs() -> None:
    slices = vllm(resources={"requests": {"example.com/slice": 4}, "limits": {"example.com/slice": 4}})
    of = {"gpuResource": "example.com/slice", "tensorParallel": 4}
    assert found("gpus-as-configured", slices, workloads={"decode": {**of, "gpus": 8}}) == []
    [violation] = found("gpus-as-configured", slices, workloads={"decode": {**of, "gpus": 4}})
    assert violation.wrong == "2 pods of 4 GPUs, while the stack's output workloads.decode.gpus says 4"


@pytest.mark.parametrize(("role", "subject", "excess"), TYPED["bindings"], ids=str)
def test_accounts_of_pods_have_no_rights_in_the_cluster(role: str, subject: dict[str, Any], excess: str | None) -> None:
    account = {"kind": "ServiceAccount", "name": "workers", "namespace": "llm", **subject}
    bound = {"kind": "ClusterRoleBinding", "metadata": {"name": "b"}, "subjects": [account]}
    bound["roleRef"] = {"kind": "ClusterRole", "name": role}
    violations = found("no-cluster-rights", bound, workload(), *TYPED["roles"])
    assert [one.wrong.rpartition(": ")[2] for one in violations] == ([excess] if excess else [])


def test_every_rule_has_a_case_of_both_kinds() -> None:
    assert {name for name, *_ in REJECTED} | {"no-cluster-rights"} == RULE.keys() == {name for name, _ in ACCEPTED}
