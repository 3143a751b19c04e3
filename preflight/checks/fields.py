"""Fields of the stack's own objects that somebody else has written since: server-side apply would collide with them."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from preflight.answers import Object, Question
from preflight.checks.owners import question
from preflight.declared import objects
from preflight.facts import Facts
from preflight.finding import Finding, Severity
from preflight.owners import PLUGIN

CHECK = "fields of others"


def asks(facts: Facts) -> list[Question]:
    """Nothing that the owners are not asked for."""
    return []


def check(facts: Facts) -> Iterator[Finding]:
    """All of them in one finding; a preview does not see them, and an `up` only where it changes the object."""
    lines = []
    workers = (facts.plan.prefill.worker, facts.plan.decode.worker)
    autoscaled = {f"Deployment/{each.namespace}/{each.name}" for each in workers if each.autoscaled}
    for each in objects(facts.plan):
        answer, told = facts.asked(question(each)), facts.state.inputs.get(each.key)
        scaled = {"spec.replicas"} if each.key in autoscaled else set()
        if answer.ok and told and answer.body["metadata"].get("uid") == facts.state.uids.get(each.key):
            lines += [
                f"{each}: {', '.join(paths)}, written by {manager}"
                for manager, found in taken(answer.body, told).items()
                if (paths := [path for path in found if path not in scaled])
            ]
    if not lines:
        return
    if facts.plan.adopt:
        outcome, remedy = "after a `pulumi refresh`, `pulumi up` sets them to what the program says", ""
    else:
        outcome = (
            "`pulumi up` ends in a conflict where it changes one of these objects; until then they stay as they are"
        )
        remedy = (
            "`pulumi refresh`, `pulumi config set --path serving.adopt true` and `pulumi up` put them right; "
            "or change the settings to what is there"
        )
    severity = Severity.NOTE if facts.plan.adopt else Severity.WARNING
    yield Finding(CHECK, severity, "serving.adopt", "\n".join(lines), outcome, remedy)


def taken(live: Object, told: Mapping[str, Any]) -> dict[str, list[str]]:
    """Paths that the program sets (`told`, its inputs) and that are no longer the plugin's, by who has them."""
    ours: set[str] = set()
    theirs: dict[str, set[str]] = {}
    for entry in live["metadata"].get("managedFields") or []:
        if entry.get("subresource") != "status":
            paths = set(_both(entry.get("fieldsV1") or {}, told))
            (ours if entry["manager"] == PLUGIN else theirs.setdefault(entry["manager"], set())).update(paths)
    return {manager: sorted(paths - ours) for manager, paths in theirs.items() if paths - ours}


def _both(fields: Mapping[str, Any], told: Any, path: str = "") -> Iterator[str]:
    """The leaves of a `fieldsV1` that are told as well: `f:` is a field, `k:` an item of a list by its keys.

    A mapping without anything below is no leaf: that it is there is everybody's who has something in it.
    """
    for key, below in fields.items():
        kind, _, rest = key.partition(":")
        if kind == "f" and isinstance(told, Mapping):
            inner, at = told.get(rest), f"{path}.{rest}".lstrip(".")
        elif kind == "k" and isinstance(told, list):
            keys = json.loads(rest)
            inner = next((each for each in told if keys.items() <= each.items()), None)
            at = f"{path}[{','.join(map(str, keys.values()))}]"
        else:
            continue
        if inner is not None and below:
            yield from _both(below, inner, at)
        elif inner is not None and not isinstance(inner, Mapping):
            yield at
