"""Fields of the stack's own objects with another field manager: server-side apply would conflict on them."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from preflight.answers import Object
from preflight.checks.owners import question
from preflight.facts import Facts
from preflight.finding import Finding, Severity
from preflight.owners import PLUGIN

CHECK = "fields of others"


def check(facts: Facts) -> Iterator[Finding]:
    """All of them in one finding; a preview does not see them, and an `up` only where it changes the object."""
    lines = []
    workers = (facts.plan.prefill.worker, facts.plan.decode.worker)
    autoscaled = {f"Deployment/{each.namespace}/{each.name}" for each in workers if each.autoscaled}
    for each in facts.objects:
        answer, inputs = facts.asked(question(each)), facts.state.inputs.get(each.key)
        scaled = {"spec.replicas"} if each.key in autoscaled else set()
        if answer.ok and inputs and answer.body["metadata"].get("uid") == facts.state.uids.get(each.key):
            lines += [
                f"{each}: {', '.join(paths)}, written by {manager}"
                for manager, found in taken(answer.body, inputs).items()
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


def taken(live: Object, inputs: Mapping[str, Any]) -> dict[str, list[str]]:
    """Paths that the program sets (`inputs`) and that are no longer the plugin's, by who has them."""
    own: set[str] = set()
    others: dict[str, set[str]] = {}
    for entry in live["metadata"].get("managedFields") or []:
        if entry.get("subresource") != "status":
            paths = set(_both(entry.get("fieldsV1") or {}, inputs))
            (own if entry["manager"] == PLUGIN else others.setdefault(entry["manager"], set())).update(paths)
    return {manager: sorted(paths - own) for manager, paths in others.items() if paths - own}


def _both(fields: Mapping[str, Any], inputs: Any, path: str = "") -> Iterator[str]:
    """The leaves of a `fieldsV1` that the inputs have as well: `f:` is a field, `k:` an item of a list by its keys.

    A mapping without anything below is no leaf: every manager of a field in it has the mapping too.
    """
    for key, below in fields.items():
        kind, _, rest = key.partition(":")
        if kind == "f" and isinstance(inputs, Mapping):
            inner, at = inputs.get(rest), f"{path}.{rest}".lstrip(".")
        elif kind == "k" and isinstance(inputs, list):
            keys = json.loads(rest)
            inner = next((each for each in inputs if keys.items() <= each.items()), None)
            at = f"{path}[{','.join(map(str, keys.values()))}]"
        else:
            continue
        if inner is not None and below:
            yield from _both(below, inner, at)
        elif inner is not None and not isinstance(inner, Mapping):
            yield at
