"""Kinds, rights and secrets on typed facts. `tests/cases` has the other checks."""

from itertools import product
from typing import Any

import preflight
from components.config.vocabulary import Provider, ReleaseName
from components.gateways import PROVIDERS
from preflight.checks import kinds, rights
from preflight.facts import Facts
from preflight.state import State
from tests.preflight.typed import SPACE, Typed, facts, plan

EXISTING: dict[str, Any] = {"createNamespace": False}


def findings(check: Any, answers: dict[str, Any], **changes: Any) -> list[tuple[str, str]]:
    """Path and evidence of each finding."""
    return [(each.path, each.evidence) for each in check.check(facts(Typed(answers), **changes))]


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


def test_no_value_of_a_secret_is_in_a_finding() -> None:
    secret = {f"{SPACE}/secrets/llm-d-hf-token": {"data": {"token": "c2VjcmV0"}}}
    report = preflight.run(plan(**EXISTING), Typed(secret))
    assert "no key HF_TOKEN" in report.text()
    assert "c2VjcmV0" not in report.text() + report.document()


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
