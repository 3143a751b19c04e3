"""RBAC: whether this user may do what the stack needs."""

import json
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any, NamedTuple

from preflight.answers import Question
from preflight.facts import Facts
from preflight.finding import Finding, Severity

VERBS = ("get", "create", "patch", "delete")
"""What the plugin does with an object: server-side apply is a patch."""

AWAITED = [("", "pods"), ("apps", "deployments"), ("apps", "replicasets")]
"""What it lists and watches until a Deployment is there."""

SUBRESOURCE = "/apis/authorization.k8s.io/v1"


class Right(NamedTuple):
    """One verb on one kind."""

    verb: str
    group: str
    resource: str
    namespaced: bool = True
    url: str = ""
    """A path that is no object, instead."""
    name: str = ""
    """The one object that the right is about; empty: all."""


def asks(facts: Facts) -> list[Question]:
    """All of this user's rights in the namespace in one answer, and each outside: a Role there grants none of those."""
    outside = [_review(each, facts.namespace) for each in needed(facts) if not each.namespaced]
    return [_rules(facts.namespace), *outside]


def check(facts: Facts) -> Iterator[Finding]:
    """Rights that are missing, by kind; each is asked for by itself before it is called missing."""
    answer = facts.asked(_rules(facts.namespace))
    status = answer.body.get("status") or {}
    doubtful = [each for each in needed(facts) if not granted(each, status)]
    if not doubtful:
        return
    facts.collect([_review(each, facts.namespace) for each in doubtful])
    missing: dict[str, list[str]] = {}
    for right in doubtful:
        review = facts.asked(_review(right, facts.namespace))
        if review.ok and not review.body["status"].get("allowed"):
            missing.setdefault(_spoken(right, facts.namespace), []).append(right.verb)
    if missing:
        lacking = "; ".join(f"{', '.join(verbs)} {kind}" for kind, verbs in missing.items())
        yield Finding(
            "rights",
            Severity.NOTE if facts.preview else Severity.ERROR,  # previews are often made by a user who may only look
            "serving.cluster.context",
            f"this user may not: {lacking}",
            "`pulumi up` would be refused half-way, and leave what it had made by then",
            "log in as a user who may, or have a Role (outside namespaces a ClusterRole) bound to this user",
        )


def needed(facts: Facts) -> list[Right]:
    """Every right that an `up`, an update and a `destroy` take."""
    found: dict[Right, None] = {}
    for each in facts.objects:
        for verb in VERBS:
            found[Right(verb, each.group, each.plural, each.namespace is not None)] = None
    for group, resource in AWAITED:
        found.update(dict.fromkeys(Right(verb, group, resource) for verb in ("list", "watch")))
    return list(dict.fromkeys([*found, *_passed_on(facts)]))


def _passed_on(facts: Facts) -> Iterator[Right]:
    """The rights in the rules of the stack's Roles and ClusterRoles: a user can grant only rights that he has."""
    for role in facts.objects:
        for rule in role.document.get("rules") or [] if role.kind in ("Role", "ClusterRole") else []:
            namespaced, names = role.namespace is not None, rule.get("resourceNames") or [""]
            groups, resources = rule.get("apiGroups") or [], rule.get("resources") or []
            for verb, group, resource, name in product(rule["verbs"], groups, resources, names):
                yield Right(verb, group, resource, namespaced, name=name)
            for verb, url in product(rule["verbs"], rule.get("nonResourceURLs") or []):
                yield Right(verb, "", "", namespaced, url)


def granted(right: Right, status: Mapping[str, Any]) -> bool:
    """Whether the list of rules has it; rules about single names do not count."""
    return right.namespaced and any(
        _any(right.verb, rule["verbs"])
        and _any(right.group, rule.get("apiGroups") or [])
        and _any(right.resource, rule.get("resources") or [])
        and not rule.get("resourceNames")
        for rule in status.get("resourceRules") or []
    )


def _any(word: str, listed: list[str]) -> bool:
    return "*" in listed or word in listed


def _spoken(right: Right, namespace: str) -> str:
    if right.url:
        return right.url
    kind = f"{right.resource}.{right.group}" if right.group else right.resource
    return f"{kind} in namespace {namespace}" if right.namespaced else kind


def _rules(namespace: str) -> Question:
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": {"namespace": namespace}}
    return Question(f"{SUBRESOURCE}/selfsubjectrulesreviews", json.dumps(body))


def _review(right: Right, namespace: str) -> Question:
    if right.url:
        spec: dict[str, Any] = {"nonResourceAttributes": {"path": right.url, "verb": right.verb}}
    else:
        given = {**right._asdict(), "namespace": namespace if right.namespaced else ""}
        spec = {"resourceAttributes": {key: given[key] for key in ("verb", "group", "resource", "namespace", "name")}}
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": spec}
    return Question(f"{SUBRESOURCE}/selfsubjectaccessreviews", json.dumps(body))
