"""The `pulumi.com/*` annotations that steer an object's handling."""

import json
from dataclasses import dataclass
from typing import Any

from sandbox.engine.kubernetes.paths import Path, parse
from sandbox.engine.kubernetes.values import UNKNOWN

AUTONAMED = "pulumi.com/autonamed"
FIELD_MANAGER = "pulumi.com/patchFieldManager"
FORCE = "pulumi.com/patchForce"
PROPAGATION = "pulumi.com/deletionPropagationPolicy"
SKIP_AWAIT = "pulumi.com/skipAwait"
TIMEOUT_SECONDS = "pulumi.com/timeoutSeconds"
WAIT_FOR = "pulumi.com/waitFor"

KNOWN = {AUTONAMED, FIELD_MANAGER, FORCE, PROPAGATION, SKIP_AWAIT, TIMEOUT_SECONDS, WAIT_FOR}

DEFAULT_TIMEOUT = 600.0
"""Seconds that the official plugin waits for readiness or for an object to go, without a setting."""


@dataclass(frozen=True)
class Condition:
    """A wish of `pulumi.com/waitFor`: a status condition, or a field (None: any value)."""

    field: Path
    want: str | None
    is_condition: bool


def value(obj: dict[str, Any], name: str) -> str:
    """An annotation of the object; empty when it has none."""
    annotations = (obj.get("metadata") or {}).get("annotations") or {}
    found = annotations.get(name) if isinstance(annotations, dict) else None
    return "" if found in (None, UNKNOWN) else str(found)


def is_true(obj: dict[str, Any], name: str) -> bool:
    """Whether a switch is on."""
    return value(obj, name) == "true"


def timeout(obj: dict[str, Any], custom: float) -> float:
    """Seconds to wait: the resource's custom timeout, else the annotation, else the default."""
    return custom or float(value(obj, TIMEOUT_SECONDS) or DEFAULT_TIMEOUT)


def conditions(obj: dict[str, Any]) -> list[Condition]:
    """What `waitFor` asks for; raises ValueError for what can't be read."""
    text = value(obj, WAIT_FOR)
    if not text:
        return []
    items = json.loads(text) if text.startswith("[") else [text]
    return [_condition(str(item)) for item in items]


def _condition(text: str) -> Condition:
    form, _, rest = text.partition("=")
    if form == "condition" and rest:
        kind, _, want = rest.partition("=")
        return Condition((kind,), want or "True", True)
    if form == "jsonpath" and rest.startswith("{."):
        path, closed, want = rest.removeprefix("{").partition("}")
        if closed and not {*path} & {*"*?@'"}:
            return Condition(parse(path), want.removeprefix("=") or None, False)
    raise ValueError(f"{text!r} is neither condition=Type[=Status] nor jsonpath={{.path}}[=value]")


def problems(obj: dict[str, Any]) -> list[tuple[str, str]]:
    """The (annotation, reason) pairs that can't work: a misspelt one would be ignored without a word."""
    annotations = (obj.get("metadata") or {}).get("annotations") or {}
    found = []
    if isinstance(annotations, dict):
        unknown = [name for name in annotations if name.startswith("pulumi.com/") and name not in KNOWN]
        found = [(name, f"the sandbox knows only {', '.join(sorted(KNOWN))}") for name in unknown]
    try:
        conditions(obj)
    except ValueError as error:
        found.append((WAIT_FOR, str(error)))
    try:
        timeout(obj, 0)
    except ValueError:
        found.append((TIMEOUT_SECONDS, f"{value(obj, TIMEOUT_SECONDS)!r} is not a number of seconds"))
    return found
