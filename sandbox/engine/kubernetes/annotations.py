"""The `pulumi.com/*` annotations that the program sets."""

import json
from dataclasses import dataclass
from typing import Any

from sandbox.engine.kubernetes.values import UNKNOWN

SKIP_AWAIT = "pulumi.com/skipAwait"
WAIT_FOR = "pulumi.com/waitFor"


@dataclass(frozen=True)
class Condition:
    """A wish of `pulumi.com/waitFor`: a status condition, or a field (None: any value)."""

    field: tuple[str, ...]
    want: str | None
    is_condition: bool


def annotations_of(obj: dict[str, Any]) -> dict[str, Any]:
    """The object's annotations; none while they are unknown."""
    found = (obj.get("metadata") or {}).get("annotations")
    return found if isinstance(found, dict) else {}


def conditions(obj: dict[str, Any]) -> list[Condition]:
    """What `waitFor` asks for; raises ValueError for what can't be read."""
    text = annotations_of(obj).get(WAIT_FOR, "")
    if text is UNKNOWN or not text:
        return []
    items = json.loads(text) if text.startswith("[") else [text]
    return [_condition(str(item)) for item in items]


def _condition(text: str) -> Condition:
    form, _, rest = text.partition("=")
    if form == "condition" and rest:
        kind, _, want = rest.partition("=")
        return Condition((kind,), want or "True", True)
    if form == "jsonpath" and rest.startswith("{."):
        path, closed, want = rest.removeprefix("{.").partition("}")
        if closed and not {*path} & {*"[]*?@'"}:
            return Condition(tuple(path.split(".")), want.removeprefix("=") or None, False)
    raise ValueError(f"{text!r} is neither condition=Type[=Status] nor jsonpath={{.path}}[=value]")
