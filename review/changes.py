"""What a preview would change, field by field, from `pulumi preview --json --diff`."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from review.fields import Field, differences

ANSI = re.compile(r"\x1b\[[0-9;]*m")
ORDER = ("delete", "replace", "update", "create")
"""Operations, the most dangerous first."""

_MEANING = {
    "create-replacement": "replace",
    "delete-replaced": "replace",
    "import-replacement": "replace",
    "import": "create",
}
_QUIET = ("same", "read", "refresh", "read-discard", "discard")
_OWN = ("pulumi:pulumi:Stack",)


@dataclass(frozen=True)
class Change:
    """One resource that would change."""

    operation: str
    subject: str
    """`Deployment llm-d-pd/gaie-pd-epp`, or type and name of what is no Kubernetes object."""
    fields: tuple[Field, ...]
    reasons: tuple[str, ...]
    """Fields for which it is replaced instead of updated."""


@dataclass(frozen=True)
class Preview:
    """All of a stack's changes, or why there are none to tell."""

    stack: str
    changes: tuple[Change, ...] = ()
    unchanged: int = 0
    errors: tuple[str, ...] = ()


def read(stack: str, text: str) -> Preview:
    """Read what the CLI printed; what surrounds the JSON is passed over. Without JSON, `text` is the error."""
    try:
        document = json.JSONDecoder().raw_decode(text[text.index("{") :])[0]
    except ValueError:
        return Preview(stack, errors=(ANSI.sub("", text).strip() or "Pulumi printed nothing",))
    steps = document.get("steps") or []
    said = (each for each in document.get("diagnostics") or [] if each.get("severity") == "error")
    errors = tuple(dict.fromkeys(ANSI.sub("", each.get("message", "")).strip() for each in said))
    changes = sorted(_changes(steps), key=lambda one: (ORDER.index(one.operation), one.subject))
    unchanged = (document.get("changeSummary") or {}).get("same", 0)
    return Preview(stack, tuple(changes), unchanged, errors)


def _changes(steps: Iterable[Mapping[str, Any]]) -> Iterable[Change]:
    """One change per resource: a replacement comes as up to three steps."""
    by_urn: dict[str, list[Mapping[str, Any]]] = {}
    for step in steps:
        if step["op"] not in _QUIET and not _is_own(step):
            by_urn.setdefault(step["urn"], []).append(step)
    for urn, all_steps in by_urn.items():
        operations = {_MEANING.get(step["op"], step["op"]) for step in all_steps}
        operation = next((each for each in ORDER if each in operations), "update")
        before: Mapping[str, Any] = next((step["oldState"] for step in all_steps if step.get("oldState")), {})
        after: Mapping[str, Any] = next((step["newState"] for step in all_steps if step.get("newState")), {})
        old = {} if operation == "create" else before.get("inputs") or {}
        new = after.get("inputs") or {}
        subject = _subject(urn, new or old)
        gone = operation == "delete"  # what it was is in the cluster, and in the diff of the program
        found = [] if gone else differences(old, new, whole_secret=subject.startswith("Secret "))
        told = {path: each for step in all_steps for path, each in (step.get("detailedDiff") or {}).items()}
        if not found:  # what the CLI hides on both sides, or what only the live object has
            found = [Field(path, None, None, known=False) for path in sorted(told)]
        reasons = {path for path, each in told.items() if "replace" in str(each.get("kind"))}
        reasons |= {str(key) for step in all_steps for key in step.get("replaceReasons") or []}
        yield Change(operation, subject, tuple(found), tuple(sorted(reasons)))


def _is_own(step: Mapping[str, Any]) -> bool:
    """The stack itself and components: what changes in them is told with their children."""
    state = step.get("newState") or step.get("oldState") or {}
    return state.get("type") in _OWN or state.get("custom") is False


def _subject(urn: str, inputs: Mapping[str, Any]) -> str:
    meta = inputs.get("metadata")
    if inputs.get("kind") and isinstance(meta, Mapping):
        return f"{inputs['kind']} {'/'.join(str(meta[key]) for key in ('namespace', 'name') if meta.get(key))}"
    kind, name = urn.split("::")[-2:]
    return f"{kind.rpartition('$')[2]} {name}"
