"""Kubernetes objects in a form that a person can type and compare: lists of named entries become mappings."""

import json
from typing import Any

import yaml

from tests.recorder import SECRET

SPELLING = "(spelling)"
"""Key under which a command line says how it writes its flags."""


def normal(value: Any, keys: tuple[str, ...] = ("name", "alert")) -> Any:
    """The object with lists as mappings where every entry has one of `keys`, and command lines as flags.

    YAML and JSON inside text is read, a wire secret is `{secret: value}`, and an entry that consists of its key and a
    `value` is the value.
    """
    if isinstance(value, dict):
        if SECRET in value:
            return {"secret": normal(value["value"], keys)}
        return {key: _field(key, inner, keys) for key, inner in value.items()}
    if isinstance(value, list):
        return _keyed([normal(each, keys) for each in value], keys)
    return value


def _field(key: str, value: Any, keys: tuple[str, ...]) -> Any:
    if key == "args" and isinstance(value, list) and str(value[0]).startswith("--"):
        return command_line(value)
    if key == "args" and isinstance(value, list) and str(value[1]).startswith("--"):
        return {"(first)": value[0], **command_line(value[1:])}
    if isinstance(value, str) and "\n" in value:
        return normal(yaml.safe_load(value), keys)
    return normal(value, keys)


def command_line(words: list[str]) -> dict[str, Any]:
    """Flags by name: text, True without a value, a list when given more than once."""
    flags: dict[str, Any] = {}
    spelling = set()
    queue = list(words)
    while queue:
        name, equals, value = queue.pop(0).partition("=")
        if equals:
            spelling.add("--flag=value")
        elif queue and not queue[0].startswith("-"):
            value = queue.pop(0)
            spelling.add("--flag value")
        known = json.loads(value) if value.startswith("{") else value or True
        flags[name] = known if name not in flags else [flags[name], known]
    return {SPELLING: " and ".join(sorted(spelling)), **flags}


def _keyed(entries: list[Any], keys: tuple[str, ...]) -> Any:
    for key in keys:
        if entries and all(isinstance(each, dict) and key in each for each in entries):
            names = [each[key] for each in entries]
            if len(set(names)) == len(names):
                return {each[key]: _without(each, key) for each in entries}
    return entries


def _without(entry: dict[str, Any], key: str) -> Any:
    rest = {name: value for name, value in entry.items() if name != key}
    return rest["value"] if rest.keys() == {"value"} else rest


def differences(left: Any, right: Any, path: str = "") -> dict[str, tuple[Any, Any]]:
    """Where two normal forms differ: path to both values, None where there is none."""
    if left == right:
        return {}
    if isinstance(left, dict) and isinstance(right, dict):
        found: dict[str, tuple[Any, Any]] = {}
        for key in {**left, **right}:
            below = f"{path}.{key}" if path else str(key)
            found |= differences(left.get(key), right.get(key), below)
        return found
    if _same_length(left, right):
        pairs = enumerate(zip(left, right, strict=True))
        return {key: both for at, pair in pairs for key, both in differences(*pair, f"{path}[{at}]").items()}
    return {path: (left, right)}


def _same_length(left: Any, right: Any) -> bool:
    """Whether both are lists of as many mappings, to be compared one by one."""
    if not isinstance(left, list) or not isinstance(right, list) or len(left) != len(right):
        return False
    return all(isinstance(each, dict) for each in (*left, *right))
