"""Reads the changes of a preview, field by field, from `pulumi preview --json --diff`."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from review.fields import Field, differences

ANSI = re.compile(r"\x1b\[[0-9;]*m")
ORDER = ("delete", "replace", "renew", "update", "create")
"""Operations, the most dangerous first. `renew`: made for another generation, in the place of one that is deleted."""

_MEANING = {
    "create-replacement": "replace",
    "delete-replaced": "replace",
    "import-replacement": "replace",
    "import": "create",
}
_QUIET = ("same", "read", "refresh", "read-discard", "discard")
COST = "cost of this change:"
"""First words of the program's note on what a change costs (`components/pods/change_cost.py`)."""

_OWN = ("pulumi:pulumi:Stack",)
_SIZING = "sizing on "
"""First words of the program's table of GPU memory, a message of the preview."""


@dataclass(frozen=True)
class Change:
    """One resource that would change."""

    operation: str
    subject: str
    """`Deployment llm-d-pd/gaie-pd-epp`; type and name of a resource that is no Kubernetes object."""
    fields: tuple[Field, ...]
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Preview:
    """All changes of a stack, or the errors of its preview."""

    stack: str
    changes: tuple[Change, ...] = ()
    unchanged: int = 0
    errors: tuple[str, ...] = ()
    sizing: str = ""
    """The table of GPU memory; empty: the stack is not sized."""
    costs: tuple[str, ...] = ()
    """What the program says that the change costs."""


def read(stack: str, text: str) -> Preview:
    """Read the CLI's output. Text around the JSON is ignored; without JSON, the text is the error."""
    try:
        document = json.JSONDecoder().raw_decode(text[text.index("{") :])[0]
    except ValueError:
        return Preview(stack, errors=(ANSI.sub("", text).strip() or "Pulumi printed nothing",))
    steps = document.get("steps") or []
    said = [
        (each.get("severity"), ANSI.sub("", each.get("message", "")).strip())
        for each in document.get("diagnostics") or []
    ]
    errors = tuple(dict.fromkeys(text for severity, text in said if severity == "error"))
    infos = (text.removeprefix("info: ") for severity, text in said if severity == "info")
    sizing = next((text for text in infos if text.startswith(_SIZING)), "")
    costs = tuple(dict.fromkeys(text[text.index(COST) :] for _, text in said if COST in text))
    changes = sorted(_changes(steps), key=lambda one: (ORDER.index(one.operation), one.subject))
    unchanged = (document.get("changeSummary") or {}).get("same", 0)
    return Preview(stack, tuple(changes), unchanged, errors, sizing, costs)


def _changes(steps: Iterable[Mapping[str, Any]]) -> Iterable[Change]:
    """Yield one change per resource; a replacement has up to three steps."""
    by_urn: dict[str, list[Mapping[str, Any]]] = {}
    for step in steps:
        if step["op"] not in _QUIET and not _is_own(step):
            by_urn.setdefault(step["urn"], []).append(step)
    made = {urn: each[0]["newState"]["inputs"] for urn, each in by_urn.items() if _only(each, "create", "newState")}
    deleted = {urn: each[0]["oldState"]["inputs"] for urn, each in by_urn.items() if _only(each, "delete", "oldState")}
    renewed = pairs(made, deleted)
    for urn, (former, inputs) in renewed.items():
        del by_urn[former]
        fields = differences(inputs, made[urn], whole_secret=made[urn].get("kind") == "Secret")
        yield Change("renew", _subject(urn, made[urn]), tuple(fields), ())
    for urn, all_steps in by_urn.items():
        if urn in renewed:
            continue
        operations = {_MEANING.get(step["op"], step["op"]) for step in all_steps}
        operation = next((each for each in ORDER if each in operations), "update")
        before: Mapping[str, Any] = next((step["oldState"] for step in all_steps if step.get("oldState")), {})
        after: Mapping[str, Any] = next((step["newState"] for step in all_steps if step.get("newState")), {})
        old = {} if operation == "create" else before.get("inputs") or {}
        new = after.get("inputs") or {}
        subject = _subject(urn, new or old)
        gone = operation == "delete"  # the old fields are in the cluster and in the diff of the program
        found = [] if gone else differences(old, new, whole_secret=subject.startswith("Secret "))
        detailed = {path: each for step in all_steps for path, each in (step.get("detailedDiff") or {}).items()}
        if not found:  # the CLI hides both values, or only the live object has the field
            found = [Field(path, None, None, known=False) for path in sorted(detailed)]
        reasons = {path for path, each in detailed.items() if "replace" in str(each.get("kind"))}
        reasons |= {str(key) for step in all_steps for key in step.get("replaceReasons") or []}
        yield Change(operation, subject, tuple(found), tuple(sorted(reasons)))


def _only(steps: Sequence[Mapping[str, Any]], operation: str, side: str) -> bool:
    """Whether an object is only made, or only deleted, and its inputs are known."""
    return [step["op"] for step in steps] == [operation] and bool((steps[0].get(side) or {}).get("inputs"))


def _is_own(step: Mapping[str, Any]) -> bool:
    """Whether a step is about the stack or a component; their children show the changes."""
    state = step.get("newState") or step.get("oldState") or {}
    return state.get("type") in _OWN or state.get("custom") is False


def _subject(urn: str, inputs: Mapping[str, Any]) -> str:
    meta = inputs.get("metadata")
    if inputs.get("kind") and isinstance(meta, Mapping):
        return f"{inputs['kind']} {'/'.join(str(meta[key]) for key in ('namespace', 'name') if meta.get(key))}"
    kind, name = urn.split("::")[-2:]
    return f"{kind.rpartition('$')[2]} {name}"


INSTANCE = "llm-d.ai/instance"
"""Label with the install and its generation (`components/names.py`)."""

Inputs = Mapping[str, Any]


def pairs(made: Mapping[str, Inputs], gone: Mapping[str, Inputs]) -> dict[str, tuple[str, Inputs]]:
    """By URN of an object that is made: the URN and inputs of the one that it takes the place of, under its names."""
    found: dict[str, tuple[str, Inputs]] = {}
    former = {_identity(inputs): (urn, inputs) for urn, inputs in gone.items() if _instance(inputs)}
    for urn, inputs in made.items():
        new = _instance(inputs)
        for old in {_instance(each) for each in gone.values()} - {None, new}:
            if (
                new
                and old
                and _postfixes(new) & _postfixes(old)
                and (partner := former.get(_identity(inputs, new, old)))
            ):
                found[urn] = (partner[0], renamed(partner[1], old, new))
    return found


def renamed(inputs: Inputs, old: str, new: str) -> Inputs:
    """The inputs with the names of another generation."""
    text = re.sub(rf"(?<=[-\"]){re.escape(old)}(?=[-\"])", new, json.dumps(inputs))
    renamed_inputs: Inputs = json.loads(text)
    return renamed_inputs


def _instance(inputs: Inputs) -> str | None:
    labels = (inputs.get("metadata") or {}).get("labels") or {}
    return labels.get(INSTANCE) if isinstance(labels, Mapping) else None


def _postfixes(instance: str) -> set[str]:
    """The postfixes that an instance label may stand for: with a word of a generation behind it, or without."""
    return {instance, re.sub(r"-[a-z0-9]{1,8}$", "", instance)}


def _identity(inputs: Inputs, new: str = "", old: str = "") -> tuple[str, ...]:
    """Kind and name of an object; with the instance `new` in its name as `old`."""
    meta = inputs.get("metadata") or {}
    name = str(meta.get("name"))
    name = re.sub(rf"-{re.escape(new)}(?=-|$)", f"-{old}", name, count=1) if new else name
    return str(inputs.get("kind")), str(meta.get("namespace")), name
