"""Kueue: the queue that a tier's label names is there and takes workloads. Source: kubernetes-sigs/kueue v0.14."""

from collections.abc import Iterator

from preflight.answers import Question
from preflight.checks.kinds import GROUPS
from preflight.facts import Facts
from preflight.finding import Finding, error, warning

GROUP, LABEL = "kueue.x-k8s.io", "kueue.x-k8s.io/queue-name"
CHECK = "queue"


def asks(facts: Facts) -> list[Question]:
    """The API groups, which name Kueue's version; nothing where no tier has the label."""
    return [GROUPS] if _queues(facts) else []


def check(facts: Facts) -> Iterator[Finding]:
    """A queue that is absent or stopped; a label that no controller reads."""
    for path, name in _queues(facts).items():
        groups = facts.asked(GROUPS)
        [version] = [each["preferredVersion"]["groupVersion"] for each in groups.body.get("groups") or []
                     if each["name"] == GROUP] or [""]  # fmt: skip
        if groups.ok and not version:
            yield warning(
                CHECK,
                path,
                f"{LABEL} is {name}, and the cluster has no Kueue",
                "nothing reads the label: the pods would not be queued",
                "install Kueue, or take the label out",
            )
        if not version:
            continue
        answer = facts.get(f"/apis/{version}/namespaces/{facts.namespace}/localqueues/{name}")
        conditions = (answer.body.get("status") or {}).get("conditions") or [] if answer.ok else []
        stopped = [each for each in conditions if each["type"] == "Active" and each["status"] == "False"]
        if answer.absent or stopped:
            why = f"is not active: {stopped[0].get('message')}" if stopped else "does not exist"
            yield error(
                CHECK,
                path,
                f"LocalQueue {name} in namespace {facts.namespace} {why}",
                "Kueue would keep every pod of the tier back (SchedulingGated) until `pulumi up` fails at its timeout",
                f"name one of `kubectl -n {facts.namespace} get localqueues`, or have it made",
            )


def _queues(facts: Facts) -> dict[str, str]:
    workers = (facts.plan.prefill.worker, facts.plan.decode.worker)
    return {f"serving.{each.role}.labels": each.labels[LABEL] for each in workers if LABEL in each.labels}
