"""Every rule accepts a correct object and names the fault of a wrong one."""

from collections.abc import Iterator
from typing import Any

import pytest

from policy.rule import ObjectRule, Stack, Violation
from policy.rules import RULES

RULE = {rule.name: rule for rule in RULES}
OUTPUTS = {"hostNetwork": False, "workloads": {"decode": {"replicas": 2, "gpus": 8, "tensorParallel": 4}}}
PINNED = "ghcr.io/llm-d/llm-d-cuda:v0.6.0"
ACCOUNT = {"kind": "ServiceAccount", "name": "workers", "namespace": "llm"}


def container(**changes: Any) -> dict[str, Any]:
    """A good container."""
    return {
        "name": "vllm",
        "image": PINNED,
        "args": ["model", "--tensor-parallel-size=4"],
        "env": [{"name": "TP_SIZE", "value": "4"}, {"name": "TOKENIZERS_PARALLELISM", "value": "false"}],
        "resources": {"requests": {"amd.com/gpu": "4", "cpu": 8}, "limits": {"amd.com/gpu": 4}},
        "livenessProbe": {"httpGet": {}},
        "readinessProbe": {"httpGet": {}},
        "terminationMessagePolicy": "FallbackToLogsOnError",
        **changes,
    }


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


def binding(role: str, **subject: Any) -> dict[str, Any]:
    """A ClusterRoleBinding to the pods' account unless said."""
    return {
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "b"},
        "roleRef": {"kind": "ClusterRole", "name": role},
        "subjects": [{**ACCOUNT, **subject}],
    }


def role(name: str, *rules: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "ClusterRole", "metadata": {"name": name}, "rules": list(rules)}


METRICS = role(
    "metrics",
    {"apiGroups": ["authentication.k8s.io"], "resources": ["tokenreviews"], "verbs": ["create"]},
    {"apiGroups": ["authorization.k8s.io"], "resources": ["subjectaccessreviews"], "verbs": ["create"]},
    {"nonResourceURLs": ["/metrics"], "verbs": ["get"]},
)
SECRETS = role("secrets", {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]})
AGGREGATED = {**role("all"), "aggregationRule": {"clusterRoleSelectors": [{}]}}


def found(name: str, subject: dict[str, Any], *others: dict[str, Any], **outputs: Any) -> list[Violation]:
    """What a rule finds in an object, among others, in a stack with these outputs."""
    rule = RULE[name]
    if isinstance(rule, ObjectRule):
        return list(rule.check(subject))
    objects = {str(number): each for number, each in enumerate((subject, *others))}
    return list(rule.check(subject, Stack(objects, {**OUTPUTS, **outputs})))


def _accepted() -> Iterator[tuple[str, dict[str, Any]]]:
    """What each rule lets pass beside the good tier."""
    yield from (("pinned-images", vllm(image=f"a/b:{tag}")) for tag in ("2026-11-22", "sha-1a2b3c4"))
    yield "pinned-images", vllm(image="host:5000/a@sha256:1f")
    yield "gpus-per-pod", vllm(args=["--tensor-parallel-size", "4"], env=[])
    one = {"requests": {"gpu.intel.com/xe": 1}, "limits": {"gpu.intel.com/xe": 1}}
    yield "gpus-per-pod", vllm(args=[], env=[], resources=one)
    yield "gpus-per-pod", vllm(args=["--tensor-parallel-size", "2"], env=[])
    for name in ("nvidia.com/mig-3g.71gb", "amd.com/cpx_nps4", "nvidia.com/gpu.shared", "example.com/slice"):
        four = {"requests": {name: 4}, "limits": {name: 4}}
        yield "gpus-per-pod", vllm(resources=four)
        yield "gpus-as-configured", vllm(resources=four)
    yield "gpus-as-configured", workload(containers=[container(resources={}, args=[], env=[])])
    file = {"name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": "/var/run/token"}
    source = {"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": {"name": "s", "key": "HF_TOKEN"}}}
    yield "no-secret-in-plain-sight", vllm(env=[file, source, {"name": "MAX_TOKENS", "value": "9"}])
    yield "probes", workload("Job", containers=[container(livenessProbe=None, readinessProbe=None)])
    yield "probes", workload(sidecar={"livenessProbe": None, "readinessProbe": None})


ACCEPTED = [*((name, workload()) for name in RULE), *_accepted()]


@pytest.mark.parametrize(("name", "subject"), ACCEPTED, ids=lambda value: value if isinstance(value, str) else "")
def test_a_good_object_passes(name: str, subject: dict[str, Any]) -> None:
    assert found(name, subject) == []


REJECTED: list[tuple[str, dict[str, Any], str, str]] = [
    ("debugging-only-where-said", workload(hostNetwork=True), "spec.hostNetwork", "no debugging one"),
    ("debugging-only-where-said", workload(hostPID=True), "spec.hostPID", "true"),
    ("debugging-only-where-said", workload(hostIPC=True), "spec.hostIPC", "true"),
    (
        "debugging-only-where-said",
        workload(sidecar={"securityContext": {"privileged": True}}),
        "spec.template.spec.initContainers[sidecar].securityContext.privileged",
        "true",
    ),
    ("pinned-images", vllm(image="ghcr.io/a/b:latest"), "containers[vllm].image", "is moved"),
    ("pinned-images", vllm(image="host:5000/a/b"), "containers[vllm].image", "no tag"),
    ("pinned-images", vllm(image="a:v0.6"), "containers[vllm].image", "'a:v0.6'"),
    ("pinned-images", workload(sidecar={"image": "a:main"}), "initContainers[sidecar].image", "'a:main'"),
    (
        "gpus-per-pod",
        vllm(resources={"requests": {"amd.com/gpu": 2}, "limits": {"amd.com/gpu": 4}}),
        "containers[vllm].resources",
        "2 GPUs requested, and a limit of 4",
    ),
    (
        "gpus-as-configured",
        vllm(args=["--tensor-parallel-size=2"], env=[]),
        "--tensor-parallel-size",
        "2, while the stack's output workloads.decode.tensorParallel says 4",
    ),
    ("gpus-per-pod", vllm(args=["-tp", "8"], env=[]), "-tp", "8, while the pod has 4"),
    (
        "gpus-per-pod",
        vllm(resources={"requests": {"nvidia.com/mig-1g.5gb": 2}, "limits": {"nvidia.com/mig-1g.5gb": 2}}, env=[]),
        "--tensor-parallel-size",
        "4, while the pod has 2",
    ),
    ("gpus-per-pod", vllm(args=[], env=[]), "containers[vllm].args", "4 GPUs, and nothing"),
    ("gpus-as-configured", vllm(resources={"limits": {"nvidia.com/gpu": "3"}}), "spec.replicas", "2 pods of 3 GPUs"),
    ("no-secret-in-plain-sight", vllm(env=[{"name": "HF_TOKEN", "value": "x"}]), "env[HF_TOKEN].value", "is a secret"),
    ("no-secret-in-plain-sight", vllm(env=[{"name": "openai_api_key", "value": "x"}]), "env[openai_api_key]", ""),
    (
        "no-secret-in-plain-sight",
        vllm(env=[{"name": "HARMLESS", "value": "hf_abcdefghijklmnopqrstuvwxyz"}]),
        "env[HARMLESS]",
        "is a secret",
    ),
    ("no-secret-in-plain-sight", vllm(args=["--api-key=sk-abcdefghijklmnopqrst"]), "vllm].args", "credential"),
    ("no-secret-in-plain-sight", vllm(command=["sh", "-c", "AKIAABCDEFGHIJKLMNOP"]), "vllm].command", "credential"),
    ("probes", vllm(livenessProbe=None), "containers[vllm].livenessProbe", "is not there"),
    ("probes", vllm(readinessProbe=None), "containers[vllm].readinessProbe", "is not there"),
    ("termination-message", vllm(terminationMessagePolicy=None), "vllm].terminationMessagePolicy", "is File"),
    ("termination-message", workload(sidecar={"terminationMessagePolicy": "File"}), "[sidecar].termination", "is File"),
    ("own-service-account", workload(serviceAccountName=None), "spec.serviceAccountName", "default"),
    ("own-service-account", workload(serviceAccountName="default"), "spec.serviceAccountName", "default"),
]


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


@pytest.mark.parametrize(
    ("bound", "excess"),
    [
        (binding("metrics"), None),
        (binding("secrets", name="others"), None),
        (binding("secrets", namespace="elsewhere"), None),
        (binding("secrets"), "get secrets"),
        (binding("all"), "do what is aggregated into it"),
        (binding("cluster-admin"), "do all that ClusterRole cluster-admin allows"),
        (binding("secrets", kind="Group", name="system:serviceaccounts:llm"), "get secrets"),
        (binding("secrets", kind="Group", name="platform-team"), None),
    ],
)
def test_accounts_of_pods_have_no_rights_in_the_cluster(bound: dict[str, Any], excess: str | None) -> None:
    violations = found("no-cluster-rights", bound, workload(), METRICS, SECRETS, AGGREGATED)
    assert [one.wrong.rpartition(": ")[2] for one in violations] == ([excess] if excess else [])


def test_every_rule_has_a_case_of_both_kinds() -> None:
    assert {name for name, *_ in REJECTED} | {"no-cluster-rights"} == RULE.keys() == {name for name, _ in ACCEPTED}
