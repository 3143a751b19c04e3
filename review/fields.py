"""Lists the fields in which two versions of an object differ, without secrets."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

SECRET = "[secret]"

NAMES = re.compile(
    r"(?:^|[_.\[-])(?:token|secret|password|passwd|credentials?|api_?key|access_?key|private_?key)[\]]?(?:\.value)?$",
    re.IGNORECASE,
)
"""Paths of secrets, by their last word."""

VALUES = re.compile(
    r"\b(?:hf_[A-Za-z0-9]{8,}|sk-[A-Za-z0-9_-]{16,}|gh[pousr]_[A-Za-z0-9]{16,}|github_pat_\w+|AKIA[0-9A-Z]{16}"
    r"|eyJ[\w-]+\.eyJ[\w.-]+)|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
    re.DOTALL,
)
"""Tokens and keys inside any text."""


@dataclass(frozen=True)
class Field:
    """One field as text without secrets; None on a side without the field."""

    path: str
    before: str | None
    after: str | None
    known: bool = True
    """Whether the values are known; if not, the field only differs."""


def differences(before: Mapping[str, Any], after: Mapping[str, Any], *, whole_secret: bool = False) -> list[Field]:
    """Return the fields that differ, sorted by path. `whole_secret`: all data is secret, as in a Kubernetes Secret."""
    old, new = dict(_leaves(before, "")), dict(_leaves(after, ""))
    found = []
    for path in sorted(old.keys() | new.keys()):
        if old.get(path) != new.get(path) and not path.startswith("__"):
            hidden = bool(NAMES.search(path)) or (whole_secret and path.startswith(("data", "stringData")))
            found.append(Field(path, _shown(old.get(path), hidden), _shown(new.get(path), hidden)))
    return found


def _leaves(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Yield path and text of each value. Items of a list go by name if all have one; a list of words is one text."""
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and value and all(isinstance(each, Mapping) for each in value):
        names = [each.get("name") for each in value]
        unique = None not in names and len(set(map(str, names))) == len(names)
        for index, inner in enumerate(value):
            rest = {key: each for key, each in inner.items() if key != "name"} if unique else {}
            yield from _leaves(rest or inner, f"{path}[{names[index] if unique else index}]")
    elif isinstance(value, list) and value:
        yield path, "\n".join(map(_text, value))
    elif path:
        yield path, _text(value)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return "null" if value is None else str(value)


def _shown(value: str | None, hidden: bool) -> str | None:
    if value is None:
        return None
    return SECRET if hidden else VALUES.sub(SECRET, value)
