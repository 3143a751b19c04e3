"""Pods that the cluster changes on their way in: webhooks, meshes, queues and LimitRanges, as dry runs show them."""

from collections.abc import Iterator

from preflight.answers import Question
from preflight.changes import changes
from preflight.dry_run import trials
from preflight.facts import Facts
from preflight.finding import Finding, Severity
from preflight.refusals import setting

CHECK = "changed pods"


def asks(facts: Facts) -> list[Question]:
    """Nothing: the check of admission asks for the pods."""
    return []


def check(facts: Facts) -> Iterator[Finding]:
    """A warning for fields of the stack that are lost or changed, a note for what is added; once for equal pods."""
    found: dict[tuple[Severity, str], list[str]] = {}
    paths: dict[tuple[Severity, str], str] = {}
    for each in trials(facts):
        answer = facts.asked(each.question) if each.pod else None
        if answer is None or not answer.ok or "spec" not in answer.body:
            continue
        for change in changes(each.sent, answer.body):
            key = (Severity.NOTE if change.harmless else Severity.WARNING, change.what)
            found.setdefault(key, []).append(str(each.declared))
            paths.setdefault(key, setting(each.declared.part, change.field))
    for severity in (Severity.WARNING, Severity.NOTE):
        lines = {what: who for (kind, what), who in found.items() if kind is severity}
        if lines:
            yield Finding(
                CHECK,
                severity,
                next(path for (kind, _), path in paths.items() if kind is severity),
                "\n".join(f"{what}: pods of {', '.join(who)}" for what, who in lines.items()),
                "the pods run as the cluster changes them, and not as the stack says"
                if severity is Severity.WARNING
                else "the pods run with it; capacity and quota are checked without it",
                "have the namespace or these pods excepted from what changes them (`kubectl get "
                "mutatingwebhookconfigurations`), or set what it sets"
                if severity is Severity.WARNING
                else "",
            )
