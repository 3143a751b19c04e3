"""Whom pods are to the API server, and what that lets them do."""

from collections.abc import Iterator

from policy.rule import Object, ObjectRule, Stack, StackRule, Violation
from policy.workloads import pods

HARMLESS = {
    ("create", "authentication.k8s.io/tokenreviews"),
    ("create", "authorization.k8s.io/subjectaccessreviews"),
    ("get", "/metrics"),
}
"""TokenReview, SubjectAccessReview and reading metrics: no object can be read or changed with it.

The picker needs the first two to let only those read its metrics who may; the third because its own account's token
is what Prometheus shows it (inferencepool chart)."""

EVERYBODY = ("system:serviceaccounts", "system:authenticated", "system:unauthenticated")


def _named(subject: Object) -> Iterator[Violation]:
    for each in pods(subject):
        if each.account == "default":
            yield Violation(
                f"{each.place}.serviceAccountName",
                "is the namespace's default account",
                "give it an account of its own, as components/serving_namespace.py makes for the workers",
            )


def _no_cluster_rights(subject: Object, stack: Stack) -> Iterator[Violation]:
    if subject.get("kind") != "ClusterRoleBinding":
        return
    accounts = {(each.namespace, each.account) for other in stack.objects.values() for each in pods(other)}
    role = str(subject["roleRef"]["name"])
    excess = _rights(role, stack) - HARMLESS
    for each in subject.get("subjects") or []:
        name = str(each["name"])
        used = each["kind"] == "ServiceAccount" and (each.get("namespace"), name) in accounts
        if excess and (used or (each["kind"] == "Group" and name.startswith(EVERYBODY))):
            what = ", ".join(f"{verb} {target}" for verb, target in sorted(excess))
            yield Violation(
                f"subjects[{name}]",
                f"gives {each['kind']} {name}, under which pods run, rights in the whole cluster: {what}",
                "make a Role and a RoleBinding in the pods' namespace, with what they truly need",
            )


def _rights(role: str, stack: Stack) -> set[tuple[str, str]]:
    """(verb, kind or path) of a ClusterRole; a role that the stack does not declare has unknown rights."""
    for other in stack.objects.values():
        if other.get("kind") == "ClusterRole" and other["metadata"]["name"] == role:
            rules = list(other.get("rules") or [])
            found = {(str(verb), str(url)) for rule in rules for verb in rule["verbs"] for url in _targets(rule)}
            return found | ({("do", "what is aggregated into it")} if other.get("aggregationRule") else set())
    return {("do", f"all that ClusterRole {role} allows")}


def _targets(rule: Object) -> Iterator[str]:
    yield from rule.get("nonResourceURLs") or []
    for group in rule.get("apiGroups") or []:
        for kind in rule.get("resources") or []:
            yield f"{group}/{kind}" if group else str(kind)


NAMED = ObjectRule(
    name="own-service-account",
    must="Every pod runs under a ServiceAccount that is named, never under the namespace's default.",
    outcome="it would have whatever rights anybody once gave to default in that namespace",
    check=_named,
)

NO_CLUSTER_RIGHTS = StackRule(
    name="no-cluster-rights",
    must="No ClusterRoleBinding gives the account of a pod more than to review tokens and access, and to read metrics.",
    outcome="whoever breaks into the pod could read or change objects of every namespace",
    check=_no_cluster_rights,
)
