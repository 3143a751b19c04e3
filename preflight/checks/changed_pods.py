"""Pods that admission changes: webhooks, meshes, queues and LimitRanges, as dry runs show them."""

from collections.abc import Iterator, Mapping, Sequence

from preflight.changes import Change, changes
from preflight.declared import Declared
from preflight.dry_run import trials
from preflight.facts import Facts
from preflight.finding import Finding, note, some, warning
from preflight.refusals import setting

CHECK = "changed pods"


def check(facts: Facts) -> Iterator[Finding]:
    """A warning for fields of the stack that are lost or changed, and a note for what is added."""
    found: dict[Change, list[Declared]] = {}
    for each in trials(facts):
        answer = facts.asked(each.question) if each.pod else None
        for change in changes(each.sent, answer.body) if answer and answer.ok else []:
            found.setdefault(change, []).append(each.declared)
    for harmless in (False, True):
        several = {change: who for change, who in found.items() if change.harmless is harmless}
        if several:
            yield _finding(several, harmless=harmless)


def _finding(several: Mapping[Change, Sequence[Declared]], *, harmless: bool) -> Finding:
    change, who = next(iter(several.items()))
    evidence = "\n".join(f"{each.what}: pods of {some(pods)}" for each, pods in several.items())
    path = setting(who[0].part, change.field)
    if harmless:
        outcome = "the pods run with it; capacity and quota are checked without it"
        return note(CHECK, path, evidence, outcome, "")
    return warning(
        CHECK,
        path,
        evidence,
        "the pods run as the cluster changes them, and not as the stack says",
        "have the namespace or these pods excepted from what changes them (`kubectl get "
        "mutatingwebhookconfigurations`), or set what it sets",
    )
