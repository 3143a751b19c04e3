"""What is wrong around the stack: changed pods, istio, queues, policies of others, drift."""

from copy import deepcopy
from typing import Any

import pytest

from preflight.checks import changed_pods, drift, istio, network_policies, queue
from preflight.checks.changed_pods import changes
from preflight.checks.istio import ISTIODS, TAGS
from preflight.facts import Facts
from preflight.finding import Finding
from preflight.state import State
from tests.preflight.typed import SPACE, Typed, facts, listed, whole

EXISTING: dict[str, Any] = {"createNamespace": False}
DECODE = "Deployment ms-pd-llm-d-modelservice-decode"


def findings(check: Any, answers: dict[str, Any], **settings: Any) -> list[Finding]:
    return list(check.check(facts(Typed(whole(**answers)), **{**EXISTING, **settings})))


SENT: dict[str, Any] = {
    "hostNetwork": False,
    "containers": [
        {
            "name": "vllm",
            "image": "ghcr.io/llm-d/vllm:1",
            "args": ["--port=8000"],
            "env": [{"name": "A", "value": "1"}, {"name": "EMPTY", "value": ""}],
            "ports": [{"containerPort": 8000}],
            "resources": {"limits": {"memory": "1024Mi", "amd.com/gpu": "4"}},
            "livenessProbe": {"httpGet": {"path": "/health", "port": 8000}},
            "volumeMounts": [{"name": "shm", "mountPath": "/dev/shm", "readOnly": False}],
        }
    ],
    "tolerations": [
        {"key": "gpu", "operator": "Equal", "value": "a"},
        {"key": "gpu", "operator": "Equal", "value": "b"},
    ],
    "volumes": [{"name": "shm", "emptyDir": {}}],
}


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


@pytest.mark.parametrize(
    ("parts", "what", "harmless"),
    [
        ({"beside": [{"name": "istio-proxy", "image": "p"}]}, "the container istio-proxy is added (p)", True),
        ({"schedulerName": "volcano"}, "schedulerName is set to volcano", True),
        ({"schedulingGates": [{"name": "q"}]}, "schedulingGates is set to [{'name': 'q'}]", True),
        (
            {"vllm": {"image": "mirror/vllm:1"}},
            "containers[vllm].image is mirror/vllm:1 instead of ghcr.io/llm-d/vllm:1",
            True,
        ),
        ({"vllm": {"livenessProbe": {"httpGet": {"path": "/app", "port": 8000}}}}, None, True),
        ({"vllm": {"args": ["--port=1"]}}, "containers[vllm].args is ['--port=1'] instead of ['--port=8000']", False),
        ({"vllm": {"env": []}}, "containers[vllm].env[A] is removed", False),
        (
            {"vllm": {"resources": {"limits": {"memory": "512Mi", "amd.com/gpu": "4"}}}},
            "containers[vllm].resources.limits.memory is 512Mi instead of 1024Mi",
            False,
        ),
        (
            {"tolerations": SENT["tolerations"][:1]},
            "the toleration {'key': 'gpu', 'operator': 'Equal', 'value': 'b'} is removed",
            False,
        ),
    ],
)
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


def istiod(image: str = "docker.io/istio/pilot:1.28.1", name: str = "istiod", **env: str) -> dict[str, Any]:
    on = {"ENABLE_GATEWAY_API_INFERENCE_EXTENSION": "true", **env}
    container = {"image": image, "env": [{"name": key, "value": value} for key, value in on.items() if value]}
    metadata = {"name": name, "namespace": "istio-system"}
    return {"metadata": metadata, "spec": {"template": {"spec": {"containers": [container]}}}}


def tag(name: str, revision: str) -> dict[str, Any]:
    return {"metadata": {"labels": {"istio.io/tag": name, "istio.io/rev": revision}}}


OFF = {"ENABLE_GATEWAY_API_INFERENCE_EXTENSION": ""}
OTHERS = {"PILOT_GATEWAY_API_CONTROLLER_NAME": "openshift.io/gateway-controller/v1"}


@pytest.mark.parametrize(
    ("istiods", "tags", "settings", "expected"),
    [
        ([], [], {}, ""),
        ([istiod()], [], {}, ""),
        ([istiod("hub/pilot:1.27.5")], [], {}, "is hub/pilot:1.27.5"),
        ([istiod("hub/pilot:1.28.0")], [], {}, "is hub/pilot:1.28.0"),
        ([istiod("hub/pilot@sha256:0")], [], {}, ""),
        ([istiod(**OFF)], [], {}, "has not ENABLE_GATEWAY_API_INFERENCE_EXTENSION=true"),
        ([istiod("hub/pilot:1.40.0", **OFF)], [], {}, ""),
        ([istiod(**OFF, **OTHERS)], [], {}, ""),
        (
            [istiod(REVISION="1-28")],
            [],
            {},
            "runs under the revision 1-28 (istio-system/istiod), and the Gateway is of",
        ),
        ([istiod(REVISION="1-28")], [tag("default", "1-28")], {}, ""),
        ([istiod(REVISION="1-28")], [], {"gateway__labels": {"istio.io/rev": "1-28"}}, ""),
        ([istiod(REVISION="1-28"), istiod(**OFF)], [], {"gateway__labels": {"istio.io/rev": "1-28"}}, ""),
        ([istiod(**OFF)], [], {"gateway__provider": "kgateway"}, ""),
    ],
)
def test_istio(istiods: list[Any], tags: list[Any], settings: dict[str, Any], expected: str) -> None:
    answers = {ISTIODS.path: listed(*istiods), TAGS.path: listed(*tags)}
    found = findings(istio, answers, **settings)
    assert [expected in each.evidence and each.severity == "error" for each in found] == ([True] if expected else [])


def test_a_namespace_of_a_revision_needs_no_label_at_the_gateway() -> None:
    answers = {ISTIODS.path: listed(istiod(REVISION="1-28")), TAGS.path: listed()}
    labelled = {SPACE: {"metadata": {"labels": {"istio.io/rev": "1-28"}}}}
    assert findings(istio, {**answers, **labelled}) == []
    [finding] = findings(istio, answers)
    assert finding.remedy == "`pulumi config set --path 'serving.gateway.labels[\"istio.io/rev\"]' 1-28`"


KUEUE = {"name": "kueue.x-k8s.io", "preferredVersion": {"groupVersion": "kueue.x-k8s.io/v1beta2"}, "versions": []}
QUEUE = "/apis/kueue.x-k8s.io/v1beta2/namespaces/llm-d-pd/localqueues/gpus"
QUEUED: dict[str, Any] = {"decode__labels": {"kueue.x-k8s.io/queue-name": "gpus"}}


@pytest.mark.parametrize(
    ("groups", "answer", "settings", "severity", "evidence"),
    [
        ([KUEUE], {QUEUE: {}}, QUEUED, None, ""),
        ([KUEUE], {}, {}, None, ""),
        ([], {}, QUEUED, "warning", "the cluster has no Kueue"),
        ([KUEUE], {}, QUEUED, "error", "LocalQueue gpus in namespace llm-d-pd does not exist"),
        (
            [KUEUE],
            {QUEUE: {"status": {"conditions": [{"type": "Active", "status": "False", "message": "no ClusterQueue"}]}}},
            QUEUED,
            "error",
            "is not active: no ClusterQueue",
        ),
    ],
)
def test_queues(groups: list[Any], answer: Any, settings: Any, severity: str | None, evidence: str) -> None:
    found = findings(queue, {"/apis": {"groups": groups}, **answer}, **settings)
    assert [(each.severity, each.path) for each in found] == ([(severity, "serving.decode.labels")] if severity else [])
    assert all(evidence in each.evidence for each in found)


POLICIES = f"{SPACE.replace('/api/v1', '/apis/networking.k8s.io/v1')}/networkpolicies"
PREFILL = {"matchLabels": {"llm-d.ai/role": "prefill"}}
STACK = {"podSelector": {"matchLabels": {"llm-d.ai/instance": "pd"}}}
GATEWAYS = {"podSelector": {"matchLabels": {"gateway.networking.k8s.io/gateway-name": "infra-pd-inference-gateway"}}}


def policy(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "team"}, "spec": {"podSelector": {}, **spec}}


@pytest.mark.parametrize(
    ("policies", "settings", "cut"),
    [
        ([], {}, ""),
        ([policy(podSelector={"matchLabels": {"app": "other"}})], {}, ""),
        ([policy()], {}, "the gateway to the endpoint picker"),
        ([policy()], {"security__level": "locked"}, ""),
        ([policy(ingress=[{}])], {}, ""),
        ([policy(), policy(ingress=[{"from": [STACK, GATEWAYS]}])], {}, ""),
        ([policy(ingress=[{"from": [STACK]}])], {}, ""),
        ([policy(podSelector=PREFILL, ingress=[{"ports": [{"port": 8000}]}])], {}, "decode workers to prefill workers"),
        ([policy(podSelector=PREFILL, ingress=[{"ports": [{"port": 1024, "endPort": 65535}]}])], {}, ""),
        ([policy(ingress=[{"ports": [{"port": "http"}]}])], {}, ""),
        ([policy(ingress=[{"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}])], {}, ""),
        ([policy(ingress=[{"from": [{"namespaceSelector": {}}]}])], {}, ""),
        ([policy(ingress=[{"from": [{"namespaceSelector": {"matchLabels": {"a": "b"}}}]}])], {}, "the gateway to"),
        ([policy(policyTypes=["Egress"], egress=[{"ports": [{"port": 53}]}])], {}, "the endpoint picker to prefill"),
        ([policy(policyTypes=["Egress"], egress=[{}])], {}, ""),
        ([policy(podSelector=PREFILL)], {"hostNetwork": True}, ""),
    ],
)
def test_policies_of_others(policies: list[Any], settings: dict[str, Any], cut: str) -> None:
    found = findings(network_policies, {POLICIES: listed(*policies)}, **settings)
    assert [(str(each.severity), each.path) for each in found] == (
        [("warning", "serving.security.level")] if cut else []
    )
    assert all(f"does not admit {cut}" in each.evidence for each in found)


WORKERS = "/apis/apps/v1/namespaces/llm-d-pd/deployments/ms-pd-llm-d-modelservice-decode"


@pytest.mark.parametrize(
    ("live", "evidence"),
    [
        ({"metadata": {"uid": "1"}}, ""),
        (None, f"{DECODE} is in the stack's state and not in the cluster"),
        ({"metadata": {"uid": "1"}, "spec": {"paused": True}}, f"the roll-out of {DECODE} is paused"),
        (
            {"metadata": {"uid": "1", "deletionTimestamp": "now", "finalizers": ["a.example.com/b"]}},
            f"{DECODE} is being deleted, held by finalizers ({DECODE}: a.example.com/b)",
        ),
    ],
)
def test_state_and_cluster_that_drifted_apart(live: Any, evidence: str) -> None:
    state = State(True, uids={"Deployment/llm-d-pd/ms-pd-llm-d-modelservice-decode": "1"})
    known: Facts = facts(Typed(whole(**({WORKERS: live} if live else {}))), state, **EXISTING)
    assert [each.evidence for each in drift.check(known)] == ([evidence] if evidence else [])
