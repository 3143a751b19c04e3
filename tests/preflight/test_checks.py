"""The other checks on typed facts, and the report of them all."""

from itertools import product
from typing import Any

import pytest

import preflight
from components.config.vocabulary import Provider, ReleaseName
from components.gateways import PROVIDERS
from preflight.checks import gateway_class, kinds, namespace, prerequisites, quota, rights, version
from preflight.facts import Facts
from preflight.state import State
from tests.preflight.typed import CLASSES, OWN_PODS, SPACE, Typed, facts, listed, plan, pod

LEVEL = "pod-security.kubernetes.io/enforce"
EXISTING: dict[str, Any] = {"createNamespace": False}


def findings(check: Any, answers: dict[str, Any], **changes: Any) -> list[tuple[str, str]]:
    """Path and evidence of each finding."""
    return [(each.path, each.evidence) for each in check.check(facts(Typed(answers), **changes))]


@pytest.mark.parametrize(
    ("text", "found"), [("v1.28.9", 1), ("v1.29.0", 0), ("v1.34.1-gke.100", 0), ("", 0), ("v2.0.0", 0)]
)
def test_native_sidecars_need_1_29(text: str, found: int) -> None:
    assert len(findings(version, {"/version": {"gitVersion": text}})) == found


def served(**groups: list[str]) -> dict[str, Any]:
    named = {name.replace("_", "."): versions for name, versions in groups.items()}
    return {"groups": [{"name": name, "versions": [{"version": each} for each in all]} for name, all in named.items()]}


def test_kinds_are_looked_for_in_the_version_that_is_used() -> None:
    answers = {
        "/apis": served(inference_networking_k8s_io=["v1alpha2"]),
        "/apis/gateway.networking.k8s.io/v1": {"resources": [{"kind": "Gateway"}, {"kind": "HTTPRoute"}]},
        "/apis/networking.istio.io/v1beta1": {"resources": [{"kind": "DestinationRule"}]},
    }
    found = findings(kinds, answers)
    assert found == [
        (
            "serving.release",
            "InferencePool is not served in inference.networking.k8s.io/v1: the group is served as v1alpha2",
        ),
        (
            "serving.monitoring.enabled",
            "PodMonitor, PrometheusRule, ServiceMonitor is not served in monitoring.coreos.com/v1: nothing of "
            "the group is served",
        ),
    ]
    assert [path for path, _ in findings(kinds, answers, monitoring={"enabled": False})] == ["serving.release"]


PRIORITIES = {"flowControl": {"priorities": [{"name": "chat", "priority": 1}]}}


def test_a_release_with_priorities_needs_its_own_kind_of_objective() -> None:
    older = {"resources": [{"kind": "InferenceObjective"}]}
    answers = {
        "/apis": served(inference_networking_x_k8s_io=["v1alpha2"]),
        "/apis/inference.networking.x-k8s.io/v1alpha2": older,
    }
    missing = "InferenceObjective is not served in llm-d.ai/v1alpha2: nothing of the group is served"
    found = findings(kinds, answers, release="0.9", routing=PRIORITIES)
    assert ("serving.release", missing) in found
    assert not [each for each in findings(kinds, answers, release="0.6", routing=PRIORITIES) if "Objective" in each[1]]
    assert not [each for each in findings(kinds, answers, release="0.9") if "Objective" in each[1]]


def test_every_group_that_a_plan_can_use_has_a_source() -> None:
    used = set()
    for provider, release in product(map(str, Provider), map(str, ReleaseName)):
        found = findings(kinds, {}, gateway={"provider": provider}, release=release)
        used |= {evidence.split(" in ")[1].partition("/")[0] for _, evidence in found}
    for more in ({"gateway": {"accessLogging": True}}, {"release": "0.9", "routing": PRIORITIES}):
        used |= {evidence.split(" in ")[1].partition("/")[0] for _, evidence in findings(kinds, {}, **more)}
    of_providers = {group for releases in PROVIDERS.values() for each in releases.values() for group in each.kinds}
    assert used == kinds.SOURCES.keys() | of_providers


@pytest.mark.parametrize(
    ("condition", "evidence"),
    [
        (None, "it has said nothing about it"),
        ({"type": "Accepted", "status": "False", "reason": "Bad", "message": "no"}, "Bad no"),
    ],
)
def test_a_class_that_is_not_accepted(condition: Any, evidence: str) -> None:
    one = {"metadata": {"name": "istio"}, "spec": {"controllerName": "istio.io/x"}}
    [(path, text)] = findings(
        gateway_class, {CLASSES: listed({**one, "status": {"conditions": [condition] * bool(condition)}})}
    )
    assert path == "serving.gateway.provider"
    assert text == f"GatewayClass istio is not accepted by its controller istio.io/x: {evidence}"


UNCONFINED = (
    "containers that may run as root, processes that may gain rights, the node's default seccomp profile, the "
    "runtime's capabilities"
)


def test_a_stricter_label_is_reported_with_the_pods_that_it_would_refuse() -> None:
    pods = listed(
        {
            "metadata": {"name": "tunnel"},
            "spec": {"hostNetwork": True, "containers": [{"name": "c"}]},
        },
        {"metadata": {"name": "plain"}, "spec": {"containers": [{"name": "c"}]}},
        {
            "metadata": {
                "name": "own",
                "labels": {"app.kubernetes.io/part-of": "llm-d-pd", "llm-d.ai/instance": "pd"},
            },
            "spec": {"hostNetwork": True, "containers": [{"name": "c"}]},
        },
    )
    level = {"security": {"podSecurity": "baseline"}}
    answers = {SPACE: {"metadata": {"labels": {}}}, f"{SPACE}/pods": pods}
    [(path, text)] = findings(namespace, answers, **level)
    assert path == "serving.security.podSecurity"
    assert text == (
        "the namespace llm-d-pd enforces no level of its own, and `pulumi up` labels it baseline; it would not admit "
        "tunnel (the host's network)"
    )
    answers[SPACE] = {"metadata": {"labels": {LEVEL: "baseline"}}}
    assert findings(namespace, answers, **level) == []
    answers[SPACE] = {"metadata": {"labels": {LEVEL: "restricted"}}}
    assert findings(namespace, answers, **level) == []


def test_a_namespace_that_the_stack_creates_is_labelled_by_it() -> None:
    answers = {SPACE: {"metadata": {"labels": {LEVEL: "restricted"}}}}
    assert findings(namespace, answers, hostNetwork=True) == []


def test_certificates_are_there_with_both_keys() -> None:
    def secret(namespace: str, name: str) -> str:
        selector = f"metadata.name%3D{name}%2Ctype%3Dkubernetes.io%2Ftls"
        return f"/api/v1/namespaces/{namespace}/secrets?fieldSelector={selector}"

    def found(answers: dict[str, Any], **gateway: Any) -> list[tuple[str, str, str]]:
        changes = {**EXISTING, "model__tokenSecret": None, "gateway": gateway}
        checked = prerequisites.check(facts(Typed(answers), **changes))
        return [(str(each.severity), each.path, each.evidence) for each in checked]

    own, lent = {"name": "certificate"}, {"name": "shared", "namespace": "certificates"}
    there = {secret("llm-d-pd", "certificate"): listed({}), secret("certificates", "shared"): listed({})}
    path = "serving.gateway.tls.certificateRefs[{}].name"
    missing = "there is no Secret {} of type kubernetes.io/tls in namespace {}"
    both: dict[str, Any] = {"tls": {"certificateRefs": [own, lent]}}
    assert found(there, **both) == []
    assert found({**there, secret("llm-d-pd", "certificate"): listed()}, **both) == [
        ("warning", path.format(0), missing.format("certificate", "llm-d-pd"))
    ]
    assert [each[1] for each in found({}, **both)] == [path.format(0), path.format(1)]
    envoy: dict[str, Any] = {"provider": "standalone", "tls": {"certificateRefs": [own]}}
    assert found({}, **envoy) == [("error", path.format(0), missing.format("certificate", "llm-d-pd"))]
    assert [each[0] for each in found({}, **envoy, **{"await": False})] == ["warning"]
    ingress = {"provider": "standalone", "ingress": {"host": "a.example.com", "tlsSecret": "certificate"}}
    assert [each[:2] for each in found({}, **ingress)] == [("warning", "serving.gateway.ingress.tlsSecret")]
    assert found(there, **ingress) == []


def test_the_token_must_exist_only_where_the_stack_does_not_make_it() -> None:
    secret = f"{SPACE}/secrets/llm-d-hf-token"
    assert [path for path, _ in findings(prerequisites, {}, **EXISTING)] == ["serving.model.tokenSecret"]
    assert findings(prerequisites, {secret: {"data": {"HF_TOKEN": "eA=="}}}, **EXISTING) == []
    [(_, evidence)] = findings(prerequisites, {secret: {"data": {"token": "eA==", "a": "eA=="}}}, **EXISTING)
    assert evidence.endswith("has no key HF_TOKEN; its keys: a, token")
    assert findings(prerequisites, {}, **EXISTING, model__tokenSecret=None) == []


def test_no_value_of_a_secret_is_in_a_finding() -> None:
    secret = {f"{SPACE}/secrets/llm-d-hf-token": {"data": {"token": "c2VjcmV0"}}}
    report = preflight.run(plan(**EXISTING), Typed(secret))
    assert "no key HF_TOKEN" in report.text()
    assert "c2VjcmV0" not in report.text() + report.document()


def test_a_read_only_claim_that_weights_are_downloaded_to_is_a_warning() -> None:
    claim = {f"{SPACE}/persistentvolumeclaims/w": {"spec": {"accessModes": ["ReadOnlyMany"]}}}
    changes: dict[str, Any] = {"model__claim": "w", "model__tokenSecret": None}
    [finding] = prerequisites.check(facts(Typed(claim), **EXISTING, **changes))
    assert (finding.severity, "is ReadOnlyMany, and vLLM downloads" in finding.evidence) == ("warning", True)
    assert list(prerequisites.check(facts(Typed(claim), **EXISTING, **changes, model__path="llama"))) == []


def test_a_claim_for_one_node_is_a_warning() -> None:
    claim = {f"{SPACE}/persistentvolumeclaims/w": {"spec": {"accessModes": ["ReadWriteOnce"]}}}
    changes: dict[str, Any] = {"model__claim": "w", "model__tokenSecret": None}
    [finding] = prerequisites.check(facts(Typed(claim), **EXISTING, **changes))
    assert (finding.severity, "ReadWriteOnce only" in finding.evidence) == ("warning", True)
    claim[f"{SPACE}/persistentvolumeclaims/w"]["spec"]["accessModes"] = ["ReadWriteOncePod"]
    [finding] = prerequisites.check(facts(Typed(claim), **EXISTING, **changes))
    assert (finding.severity, "all but one of them" in finding.outcome) == ("error", True)
    lost = {
        f"{SPACE}/persistentvolumeclaims/w": {"spec": {"accessModes": ["ReadWriteMany"]}, "status": {"phase": "Lost"}}
    }
    assert findings(prerequisites, lost, **EXISTING, **changes) == [
        ("serving.model.claim", "PersistentVolumeClaim w has lost its volume")
    ]


def _quota(used: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    one = {"metadata": {"name": "q"}, "spec": spec, "status": {"hard": spec["hard"], "used": used or {}}}
    return {f"{SPACE}/resourcequotas": listed(one), f"{SPACE}/limitranges": listed()}


@pytest.mark.parametrize(
    ("hard", "used", "fits"),
    [
        ({"requests.amd.com/gpu": "8"}, {}, True),
        ({"requests.amd.com/gpu": "8"}, {"requests.amd.com/gpu": "1"}, False),
        ({"pods": "7"}, {}, True),
        ({"pods": "6"}, {}, False),
        ({"configmaps": "1"}, {}, False),
        ({"configmaps": "9"}, {}, True),
    ],
)
def test_a_quota_admits_all_pods(hard: Any, used: Any, fits: bool) -> None:
    assert (findings(quota, _quota(used, hard=hard)) == []) is fits


def test_our_own_pods_count_as_free_in_a_quota() -> None:
    mine = pod("w", "a", namespace="llm-d-pd", owner="ms-pd-llm-d-modelservice-decode-5f4", gpu="8")
    answers = {**_quota({"requests.amd.com/gpu": "8"}, hard={"requests.amd.com/gpu": "8"}), OWN_PODS: listed(mine)}
    assert findings(quota, answers) == []


def test_a_quota_for_some_pods_only_is_left_alone() -> None:
    assert findings(quota, _quota(hard={"pods": "1"}, scopes=["BestEffort"])) == []


@pytest.mark.parametrize(
    ("hard", "short"),
    [
        # Prefill 4 x 64Gi, decode 1 x 80Gi of at most 120Gi, and the sidecar's 2Gi;
        # the endpoint picker's 8 of 16Gi; the gateway's proxy requests 1Mi.
        ({"requests.memory": "347Gi"}, False),
        ({"requests.memory": "346Gi"}, True),
        ({"limits.memory": "394Gi"}, False),
        ({"limits.memory": "393Gi"}, True),
        ({"hugepages-2Mi": "1Gi"}, False),
        ({"requests.hugepages-2Mi": "512Mi"}, True),
    ],
)
def test_quotas_count_requests_limits_and_further_resources(hard: dict[str, str], short: bool) -> None:
    default = {f"{SPACE}/limitranges": listed({"spec": {"limits": [{"type": "Container", "default": {"cpu": "1"}}]}})}
    sizes = {
        "gateway__memory": "1Mi",
        "prefill__memory": "64Gi",
        "decode__memory": "80Gi",
        "decode__memoryLimit": "120Gi",
        "decode__resources": {"hugepages-2Mi": "1Gi"},
    }
    found = findings(quota, {**_quota(hard=hard), **default}, **sizes)
    assert bool(found) is short


def test_missing_rights_are_reported_by_kind() -> None:
    assert list(rights.check(facts(Typed()))) == []
    [finding] = rights.check(facts(Typed(rights=False)))
    assert "get, create, patch, delete services in namespace llm-d-pd" in finding.evidence
    assert "get, create, patch, delete clusterroles.rbac.authorization.k8s.io;" in finding.evidence
    assert "get /metrics" in finding.evidence
    assert finding.severity == "error"
    [note] = rights.check(Facts(plan(), Typed(rights=False), State(), preview=True))
    assert note.severity == "note"


def test_rules_about_single_names_or_other_groups_grant_nothing() -> None:
    every = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}
    right = rights.Right("patch", "apps", "deployments")
    assert rights.granted(right, {"resourceRules": [every]})
    for limited in ({"resourceNames": ["a"]}, {"apiGroups": ["batch"]}, {"verbs": ["get"]}, {"resources": ["pods"]}):
        assert not rights.granted(right, {"resourceRules": [{**every, **limited}]})
    assert not rights.granted(rights.Right("create", "", "namespaces", namespaced=False), {"resourceRules": [every]})


KEYS = f"{SPACE}/secrets/keys"
KEYED: dict[str, Any] = {**EXISTING, "security": {"apiKey": {"secret": "keys", "key": "api.key"}}}


def test_the_secret_of_the_api_key_and_its_key() -> None:
    token = {f"{SPACE}/secrets/llm-d-hf-token": {"data": {"HF_TOKEN": "eA=="}}}
    assert findings(prerequisites, {**token, KEYS: {"data": {"api.key": "eA=="}}}, **KEYED) == []
    assert findings(prerequisites, token, **KEYED) == [
        ("serving.security.apiKey.secret", "there is no Secret keys in namespace llm-d-pd")
    ]
    assert findings(prerequisites, {**token, KEYS: {"data": {"KEY": "eA=="}}}, **KEYED) == [
        ("serving.security.apiKey.key", "Secret keys in namespace llm-d-pd has no key api.key; its keys: KEY")
    ]
    assert findings(prerequisites, {**token, KEYS: {"data": {"api.key": ""}}}, **KEYED) == [
        ("serving.security.apiKey.key", "api.key of Secret keys in namespace llm-d-pd is empty")
    ]
