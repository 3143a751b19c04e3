"""Dry runs: what is asked. `tests/cases/dry-run.yaml` has what is made of the API server's words."""

import json
from typing import Any

import pulumi

import preflight
from access.server import ApiServer
from components.plan import resolve
from preflight.answers import Answer, Question
from preflight.cluster import Cluster
from preflight.declared import objects
from preflight.finding import Severity
from preflight.state import State
from tests.preflight.typed import SPACE, Typed, plan, serving, whole
from tests.recorder import record
from tests.stack_file import settings

EXISTING: dict[str, Any] = {"createNamespace": False}
POD = '"kind": "Pod"'


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


def test_what_only_the_merge_with_the_live_object_refuses_is_no_finding() -> None:
    picker = "/apis/apps/v1/namespaces/llm-d-pd/deployments/gaie-pd-epp"
    live = {"metadata": {"uid": "1"}, "spec": {"selector": {"matchLabels": {"inferencepool": "gaie-pd-epp"}}}}
    state = State(True, uids={"Deployment/llm-d-pd/gaie-pd-epp": "1"})
    words = 'Deployment.apps "gaie-pd-epp" is invalid: may not specify more than 1 volume type'
    mixture = Answer(422, {"kind": "Status", "message": words})
    cluster = Typed(whole(**{picker: live}), dry={f"{picker}?dryRun": mixture})
    assert preflight.run(plan(**EXISTING), cluster, state).findings == []
    cluster.dry['"generateName": "gaie-pd-epp-preflight-"'] = mixture
    [finding] = preflight.run(plan(**EXISTING), cluster, state).findings
    assert "the API server refuses Deployment gaie-pd-epp:\nmay not specify more than" in finding.evidence


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


def test_an_object_that_exists_is_sent_as_an_apply() -> None:
    cluster = Typed()
    with serving(cluster) as server:
        connected = Cluster("typed", ApiServer({"server": server}, {}))
        for apply in (True, False):
            connected.ask(Question("/x?dryRun=All", '{"kind": "Service"}', apply))
    assert [each.apply for each in cluster.asked] == [True, False]
