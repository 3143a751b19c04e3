"""Two versions of an object as a list of the fields that differ, with nothing in it that is a secret."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

SECRET = "[secret]"

NAMES = re.compile(
    r"(?:^|[_.\[-])(?:token|secret|password|passwd|credentials?|api_?key|access_?key|private_?key)[\]]?(?:\.value)?$",
    re.IGNORECASE,
)
"""Paths whose last word says that a secret stands there."""

VALUES = re.compile(
    r"\b(?:hf_[A-Za-z0-9]{8,}|sk-[A-Za-z0-9_-]{16,}|gh[pousr]_[A-Za-z0-9]{16,}|github_pat_\w+|AKIA[0-9A-Z]{16}"
    r"|eyJ[\w-]+\.eyJ[\w.-]+)|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
    re.DOTALL,
)
"""What looks like a token or a key, wherever it stands."""


@dataclass(frozen=True)
class Field:
    """One field; None where there is none on that side. Text only, without secrets."""

    path: str
    before: str | None
    after: str | None
    known: bool = True
    """Whether values are known; otherwise only that they differ."""


def differences(before: Mapping[str, Any], after: Mapping[str, Any], *, whole_secret: bool = False) -> list[Field]:
    """Fields that differ, sorted by path. `whole_secret`: all data is secret, as in a Kubernetes Secret."""
    old, new = dict(_leaves(before, "")), dict(_leaves(after, ""))
    found = []
    for path in sorted(old.keys() | new.keys()):
        if old.get(path) != new.get(path) and not path.startswith("__"):
            hidden = bool(NAMES.search(path)) or (whole_secret and path.startswith(("data", "stringData")))
            found.append(Field(path, _shown(old.get(path), hidden), _shown(new.get(path), hidden)))
    return found


def _leaves(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Path and text of each value; items of a list by their name where all have one, lists of words as lines."""
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
