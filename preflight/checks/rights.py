"""RBAC: whether this user may do what the stack needs."""

import json
from collections.abc import Iterator, Mapping
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
    return [*found, *_passed_on(facts)]


def _passed_on(facts: Facts) -> list[Right]:
    """A user can grant in a Role only the rights that he has; the picker's Roles grant these."""
    watched = [
        ("", "pods"),
        ("inference.networking.k8s.io", "inferencepools"),
        *(("inference.networking.x-k8s.io", kind) for kind in facts.plan.picker.kinds),
    ]
    rights = [Right(verb, *kind) for kind in watched for verb in ("list", "watch")]
    if facts.plan.picker.metrics_secret:
        rights += [
            Right("create", "authentication.k8s.io", "tokenreviews", namespaced=False),
            Right("create", "authorization.k8s.io", "subjectaccessreviews", namespaced=False),
            Right("get", "", "", namespaced=False, url="/metrics"),
        ]
    return rights


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
        within = {"namespace": namespace} if right.namespaced else {}
        attributes = {"verb": right.verb, "group": right.group, "resource": right.resource, **within}
        spec = {"resourceAttributes": attributes}
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": spec}
    return Question(f"{SUBRESOURCE}/selfsubjectaccessreviews", json.dumps(body))
