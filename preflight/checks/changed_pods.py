"""Pods that admission changes: webhooks, meshes, queues and LimitRanges, as dry runs show them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from preflight.answers import Object
from preflight.declared import Declared
from preflight.dry_run import trials
from preflight.facts import Facts
from preflight.finding import Finding, note, some, warning
from preflight.quantity import thousandths
from preflight.refusals import setting

CHECK = "changed pods"

KEYS = ("name", "mountPath", "containerPort")
"""Fields that identify the items of a list. Lists without one are compared as a whole: nothing has a default."""

WATCHED = ("schedulingGates", "schedulerName", "nodeSelector", "runtimeClassName", "priorityClassName", "hostNetwork")
"""Fields that decide where and when a pod runs: reported also where the program leaves them unset."""

DEFAULTS = {"schedulerName": "default-scheduler"}
"""What the API server itself fills in."""

HARMLESS = ("image", "livenessProbe", "readinessProbe", "startupProbe")
"""Fields of a container that mirrors and meshes rewrite, to the same effect."""


class Change(NamedTuple):
    """One difference."""

    field: str
    what: str
    harmless: bool = False
    """Whether the pod does the same with it, or more."""


def changes(sent: Object, came: Object) -> list[Change]:
    """What of a pod's spec was changed, removed or added; defaults of the API server are no change."""
    asked, kept = sent["spec"], came["spec"]
    return [*_added(asked, kept), *_differing(asked, kept, "")]


def _added(sent: Object, came: Object) -> Iterator[Change]:
    for kind in ("initContainers", "containers"):
        known = {each["name"] for each in sent.get(kind) or []}
        for each in came.get(kind) or []:
            if each["name"] not in known:
                yield Change(kind, f"the container {each['name']} is added ({each.get('image')})", harmless=True)
    for field in WATCHED:
        if came.get(field) and came[field] != DEFAULTS.get(field) and not sent.get(field):
            yield Change(field, f"{field} is set to {_spoken(came[field])}", harmless=True)


def _differing(sent: Any, came: Any, path: str) -> Iterator[Change]:
    if isinstance(sent, Mapping) and isinstance(came, Mapping):
        for key, value in sent.items():
            yield from _differing(value, came.get(key), f"{path}.{key}".lstrip("."))
    elif path == "tolerations":
        yield from (
            Change(path, f"the toleration {_spoken(each)} is removed") for each in sent if each not in (came or [])
        )
    elif isinstance(sent, list) and isinstance(came, list) and (key := _key(sent)):
        found = {each.get(key): each for each in came}
        for each in sent:
            yield from _differing(each, found.get(each[key]), f"{path}[{each[key]}]")
    elif not _same(sent, came):
        harmless = any(f"].{field}" in path for field in HARMLESS)
        if came is None:
            yield Change(path, f"{path} is removed")
        else:
            yield Change(path, f"{path} is {_spoken(came)} instead of {_spoken(sent)}", harmless)


def _key(items: Sequence[Any]) -> str | None:
    mappings = all(isinstance(each, Mapping) for each in items)
    return next((key for key in KEYS if mappings and items and all(key in each for each in items)), None)


def _same(sent: Any, came: Any) -> bool:
    """The server leaves out what is empty, and writes quantities in its own way."""
    if came is None:
        return not sent
    if sent == came:
        return True
    try:
        return thousandths(str(sent)) == thousandths(str(came))
    except ValueError:
        return False


def _spoken(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 80 else f"{text[:80]}…"


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
