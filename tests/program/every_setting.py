"""Reads tests/expected/every-setting.yaml: every setting with another value, and the resources that it changes."""

import copy
import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import yaml

from tests.program.expected import FOLDER

_TYPED: dict[str, Any] = yaml.safe_load((FOLDER / "every-setting.yaml").read_text())


class Change(NamedTuple):
    """A setting's other value, what it changes, and the settings that it needs besides."""

    value: Any
    reaches: set[str]
    given: dict[str, Any]


def with_setting(serving: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Settings with another value at a path, in which `[]` is the first item of a list."""
    result = copy.deepcopy(serving)
    *above, last = re.sub(r"\[\]", ".0", path).split(".")
    at: Any = result
    for key in above:
        at = at[0] if key == "0" else at.setdefault(key, {})
    at[last] = value
    return result


def _resources(word: str) -> Iterator[str]:
    if word not in _TYPED["resources"]:
        yield word
    for each in _TYPED["resources"].get(word, ()):
        yield from _resources(each)


def _every() -> dict[str, Change]:
    found = {}
    for path, (value, reaches, *besides) in _TYPED["settings"].items():
        given = _TYPED["besides"][besides[0]] if besides and isinstance(besides[0], str) else (besides or [{}])[0]
        text = json.dumps([path, value, reaches.split(), given])
        for tier in ("prefill", "decode") if "TIER" in path else ("TIER",):
            at, other, words, needs = json.loads(text.replace("TIER", tier))
            found[at] = Change(other, {each for word in words for each in _resources(word)}, needs)
    return found


EVERY_SETTING: dict[str, Change] = _every()
