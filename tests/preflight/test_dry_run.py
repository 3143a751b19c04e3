"""Dry runs: what is asked, and what is made of the API server's words (Kubernetes 1.34)."""

import json
from typing import Any

import pulumi
import pytest

import preflight
from access.server import ApiServer
from components.plan import resolve
from preflight.answers import Answer, Question
from preflight.cluster import Cluster
from preflight.declared import objects
from preflight.finding import Finding, Severity
from preflight.state import State
from tests.preflight.typed import OWN_PODS, SPACE, Typed, listed, plan, pod, serving, whole
from tests.recorder import record
from tests.stack_file import settings

EXISTING: dict[str, Any] = {"createNamespace": False}
POD, DEPLOYMENT = '"kind": "Pod"', '"kind": "Deployment"'
DECODE = "ms-pd-llm-d-modelservice-decode"


def refused(message: str, code: int = 403) -> Answer:
    return Answer(code, {"kind": "Status", "message": message})


def forbidden(why: str, name: str = f"{DECODE}-preflight-x2x9z") -> Answer:
    """Refusal by a plugin."""
    return refused(f'pods "{name}" is forbidden: {why}')


def found(dry: dict[str, Answer], answers: dict[str, Any] | None = None, **changes: Any) -> list[Finding]:
    """All findings of a cluster on which nothing else is wrong."""
    report = preflight.run(plan(**{**EXISTING, **changes}), Typed(whole(**(answers or {})), dry=dry))
    return list(report.findings)


def asked(cluster: Typed) -> list[Question]:
    return [each for each in cluster.asked if "dryRun" in each.path]


def test_one_pod_of_each_deployment_and_every_object_are_asked_for() -> None:
    cluster = Typed(whole())
    preflight.run(plan(**EXISTING), cluster)
    questions = asked(cluster)
    assert all("dryRun=All&fieldManager=pulumi-kubernetes" in each.path for each in questions)
    assert not any(each.apply for each in questions), "all are new"
    pods = [json.loads(each.body) for each in questions if POD in each.body]
    assert [each["metadata"]["generateName"] for each in pods] == [
        "gaie-pd-epp-preflight-",
        "ms-pd-llm-d-modelservice-prefill-preflight-",
        "ms-pd-llm-d-modelservice-decode-preflight-",
    ]
    decode = pods[2]
    assert decode["metadata"]["labels"]["llm-d.ai/role"] == "decode"
    assert decode["metadata"]["ownerReferences"][0]["kind"] == "ReplicaSet"
    assert "serviceAccountName" not in decode["spec"], "its ServiceAccount is not there yet"
    [container] = decode["spec"]["containers"]
    assert container["resources"]["limits"]["amd.com/gpu"] == "4"
    kinds = {json.loads(each.body)["kind"] for each in questions}
    assert {"Deployment", "Service", "Role", "Gateway", "InferencePool", "PodMonitor", "Secret"} <= kinds


def test_what_the_stack_has_already_is_applied_and_what_others_have_is_not_asked_for() -> None:
    config, service = f"{SPACE}/configmaps/gaie-pd-epp", f"{SPACE}/services/gaie-pd-epp"
    account = f"{SPACE}/serviceaccounts/ms-pd-llm-d-modelservice"
    live = {each: {"metadata": {"uid": "1"}, "spec": {}} for each in (config, service, account)}
    uids = {"ConfigMap/llm-d-pd/gaie-pd-epp": "1", "ServiceAccount/llm-d-pd/ms-pd-llm-d-modelservice": "1"}
    cluster = Typed(whole(**live))
    preflight.run(plan(**EXISTING), cluster, State(True, uids=uids))
    applied = [each.path for each in asked(cluster) if each.apply]
    assert sorted(each.partition("?")[0] for each in applied) == [config, account]
    assert all(each.endswith("&force=true") for each in applied)
    assert service not in "".join(each.path for each in asked(cluster) if "services" in each.path)
    assert any('"serviceAccountName": "ms-pd-llm-d-modelservice"' in each.body for each in asked(cluster))


def test_what_the_stack_does_not_change_is_not_asked_for() -> None:
    service = next(each for each in objects(plan(**EXISTING)) if each.key == "Service/llm-d-pd/gaie-pd-epp")
    live = {f"{SPACE}/services/gaie-pd-epp": {"metadata": {"uid": "1"}, "spec": service.document["spec"]}}
    for inputs, applied in ((service.document, 0), ({**service.document, "spec": {}}, 1)):
        cluster = Typed(whole(**live))
        preflight.run(plan(**EXISTING), cluster, State(True, uids={service.key: "1"}, inputs={service.key: inputs}))
        assert len([each for each in asked(cluster) if each.apply]) == applied


def test_no_secret_is_sent() -> None:
    answers = whole()
    del answers[f"{SPACE}/secrets/llm-d-hf-token"]
    cluster = Typed(answers)

    def look() -> None:
        token = pulumi.Output.secret("hf_verysecret")
        preflight.run(resolve(settings(**EXISTING), token), cluster)

    record(look)
    [token] = [each for each in asked(cluster) if '"name": "llm-d-hf-token"' in each.body and "/secrets" in each.path]
    assert "data" not in json.loads(token.body)
    assert "hf_verysecret" not in "".join(each.body for each in cluster.asked)


SECURITY = (
    'violates PodSecurity "baseline:latest": non-default capabilities (container "vllm" must not include "IPC_LOCK" in '
    "securityContext.capabilities.add)"
)
RUNNING = {OWN_PODS: listed(pod("w", "a", namespace="llm-d-pd", owner=f"{DECODE}-5f4", gpu="4", cpu="18"))}
EXCEEDED = "exceeded quota: high, requested: cpu=18, used: cpu=18, limited: cpu=18"
SCOPED = {f"{SPACE}/resourcequotas": listed({"metadata": {"name": "high"}, "spec": {"scopes": ["NotTerminating"]}})}
POLICY = "ValidatingAdmissionPolicy 'registries' with binding 'all' denied request: images come from registry.example"


@pytest.mark.parametrize(
    ("words", "check", "path", "remedy"),
    [
        (SECURITY, "Pod Security", "serving.namespace", "enforce=baseline"),
        (POLICY, "admission policy", "serving.decode.image", "serving.decode.image"),
        (
            "[maximum memory usage per Container is 64Gi, but limit is 256Gi]",
            "limit range",
            "serving.decode.memory",
            "set serving.decode.memory within its bounds",
        ),
        (
            "minimum amd.com/gpu usage per Container is 8, but request is 4",
            "limit range",
            "serving.decode.tensorParallel",
            "LimitRange",
        ),
        ("failed quota: cpus: must specify limits.cpu for: epp", "quota", "serving.namespace", "a default"),
        (EXCEEDED, "quota", "serving.namespace", "have the quota raised"),
        (
            'unable to validate against any security context constraint: [provider "restricted-v2": Forbidden]',
            "security context constraints",
            "serving.decode",
            "-z ms-pd-llm-d-modelservice -n llm-d-pd",
        ),
        ("pod node label selector conflicts with its namespace node label selector", "API server", None, "correct"),
    ],
)
def test_a_plugins_words_are_passed_on_with_the_setting(words: str, check: str, path: str | None, remedy: str) -> None:
    [finding] = found({DECODE + '-preflight"': forbidden(words)})
    assert (finding.severity, finding.check) == (Severity.ERROR, check)
    assert finding.path == (path or "serving.decode.labels")
    assert f"a pod of Deployment {DECODE}:\n{words}" in finding.evidence
    assert remedy in finding.remedy


def test_the_limit_is_named_where_it_is_not_the_request() -> None:
    words = "maximum memory usage per Container is 100Gi, but limit is 120Gi"
    changes: dict[str, Any] = {"decode__memory": "80Gi", "decode__memoryLimit": "120Gi"}
    [finding] = found({DECODE + '-preflight"': forbidden(words)}, **changes)
    assert finding.path == "serving.decode.memoryLimit"


def test_a_fault_of_a_deployment_is_not_repeated_for_its_pod() -> None:
    why = "spec.affinity.podAffinity: Invalid value"
    dry = {DECODE + '-preflight"': refused(f'Pod "p" is invalid: {why}', 422)}
    [finding] = found({**dry, DEPLOYMENT: refused('Deployment.apps "d" is invalid: spec.template.' + why, 422)})
    assert "spec.template.spec.affinity" in finding.evidence
    [finding] = found(dry)
    assert finding.path == "serving.decode.affinity"


@pytest.mark.parametrize(
    ("message", "code", "check"),
    [
        ('namespaces "elsewhere" not found', 404, "namespace"),
        ('admission webhook "v.example.com" denied the request: no', 403, "admission webhook"),
        (
            'Internal error occurred: failed calling webhook "v.example.com": connection refused',
            500,
            "admission webhook",
        ),
        ('Deployment.apps "d" is invalid: spec.template.spec.affinity: Invalid value', 422, "API server"),
    ],
)
def test_a_refusal_of_several_objects_is_one_finding(message: str, code: int, check: str) -> None:
    [finding] = found({DEPLOYMENT: refused(message, code)})
    assert (finding.severity, finding.check) == (Severity.ERROR, check)
    assert "Deployment gaie-pd-epp, Deployment ms-pd-llm-d-modelservice-prefill, Deployment" in finding.evidence


def test_what_only_the_merge_with_the_live_object_refuses_is_no_finding() -> None:
    picker = "/apis/apps/v1/namespaces/llm-d-pd/deployments/gaie-pd-epp"
    live = {"metadata": {"uid": "1"}, "spec": {"selector": {"matchLabels": {"inferencepool": "gaie-pd-epp"}}}}
    state = State(True, uids={"Deployment/llm-d-pd/gaie-pd-epp": "1"})
    mixture = refused('Deployment.apps "gaie-pd-epp" is invalid: may not specify more than 1 volume type', 422)
    cluster = Typed(whole(**{picker: live}), dry={f"{picker}?dryRun": mixture})
    assert preflight.run(plan(**EXISTING), cluster, state).findings == []
    cluster.dry['"generateName": "gaie-pd-epp-preflight-"'] = mixture
    [finding] = preflight.run(plan(**EXISTING), cluster, state).findings
    assert "the API server refuses Deployment gaie-pd-epp:\nmay not specify more than" in finding.evidence


def test_running_pods_of_the_tier_count_as_free_in_a_quota() -> None:
    quota = {DECODE + '-preflight"': forbidden(EXCEEDED)}
    assert found(quota, {**SCOPED, **RUNNING}) == []
    [finding] = found(quota, SCOPED)
    assert finding.check == "quota"


def test_a_quota_about_which_all_replicas_together_are_reported_is_reported_once() -> None:
    quota = {"metadata": {"name": "high"}, "spec": {"hard": {"cpu": "18"}}, "status": {"hard": {"cpu": "18"}}}
    dry = {DECODE + '-preflight"': forbidden(EXCEEDED)}
    [finding] = found(dry, {f"{SPACE}/resourcequotas": listed(quota)})
    assert "leaves 18 of 18 cpu; the plan needs" in finding.evidence


@pytest.mark.parametrize(
    ("part", "answer"),
    [
        (POD, forbidden("no PriorityClass with name high was found")),
        (POD, forbidden('pod rejected: RuntimeClass "kata" not found')),
        (POD, forbidden("unable to create new content in namespace llm-d-pd because it is being terminated")),
        (DEPLOYMENT, refused('deployments.apps "d" already exists', 409)),
        (DEPLOYMENT, refused('Deployment.apps "d" is invalid: spec.selector: field is immutable', 422)),
        ('"kind": "PodMonitor"', refused("the server could not find the requested resource", 404)),
        (DEPLOYMENT, refused('deployments.apps is forbidden: User "me" cannot create resource "deployments"')),
        ('"kind": "Role"', forbidden("user is attempting to grant RBAC permissions not currently held")),
    ],
)
def test_what_another_check_reports_is_not_repeated(part: str, answer: Answer) -> None:
    assert found({part: answer}) == []


@pytest.mark.parametrize(
    ("answer", "evidence", "remedy"),
    [
        (
            refused('admission webhook "v.example.com" does not support dry run', 400),
            "the webhook v.example.com does not support dry run, so what admission says to a pod of",
            "",
        ),
        (
            refused('admission webhook "v.example.com" denied the request: no dry-run here'),
            "the webhook v.example.com does not support dry run",
            "",
        ),
        (
            refused('pods is forbidden: User "me" cannot create resource "pods" in API group ""'),
            "this user may not create pods, so what admission says",
            "create role pods --verb=create --resource=pods",
        ),
        (refused("Timeout: request did not complete within requested timeout", 504), "does not answer in time", ""),
    ],
)
def test_what_cannot_be_asked_is_a_note(answer: Answer, evidence: str, remedy: str) -> None:
    [note] = found({POD: answer})
    assert (note.severity, note.check) == (Severity.NOTE, "admission")
    assert evidence in note.evidence
    assert remedy in note.remedy


def test_before_the_namespace_exists_a_note_says_what_is_not_known() -> None:
    answers = whole()
    del answers[SPACE], answers[f"{SPACE}/secrets/llm-d-hf-token"]
    cluster = Typed(answers)
    report = preflight.run(plan(model__tokenSecret=None), cluster)
    [note] = report.findings
    assert (note.severity, "before the namespace llm-d-pd exists" in note.evidence) == (Severity.NOTE, True)
    assert report.summary() == "preflight of context typed: nothing in the way, 1 note"
    assert {json.loads(each.body)["kind"] for each in asked(cluster)} == {
        "Namespace",
        "ClusterRole",
        "ClusterRoleBinding",
    }


def test_a_level_that_the_stack_itself_changes_refuses_nothing() -> None:
    own = {"createNamespace": True, "security__podSecurity": "privileged"}
    labels = {"app.kubernetes.io/part-of": "llm-d-pd", "llm-d.ai/instance": "pd"}
    namespace = {"metadata": {"labels": labels, "managedFields": [{"manager": "pulumi-kubernetes"}]}}
    [finding] = found({POD: forbidden(SECURITY)}, {SPACE: namespace})
    assert finding.check == "Pod Security"
    assert "Pod Security" not in [each.check for each in found({POD: forbidden(SECURITY)}, {SPACE: namespace}, **own)]


def test_an_object_that_exists_is_sent_as_an_apply() -> None:
    cluster = Typed()
    with serving(cluster) as server:
        connected = Cluster("typed", ApiServer({"server": server}, {}))
        for apply in (True, False):
            connected.ask(Question("/x?dryRun=All", '{"kind": "Service"}', apply))
    assert [each.apply for each in cluster.asked] == [True, False]
