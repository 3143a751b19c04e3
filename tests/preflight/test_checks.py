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


PRIORITIES = {"flowControl": {"priorities": [{"name": "chat", "priority": 1}]}}


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
    [finding] = rights.check(facts(Typed(rights=False), routing={"replicas": 2}))
    assert "get, create, patch, delete services in namespace llm-d-pd" in finding.evidence
    assert "get, create, patch, delete clusterroles.rbac.authorization.k8s.io;" in finding.evidence
    assert "get /metrics" in finding.evidence
    assert "list, watch inferenceobjectives.inference.networking.x-k8s.io in namespace llm-d-pd" in finding.evidence
    assert "get, create, update leases.coordination.k8s.io in namespace llm-d-pd" in finding.evidence
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
