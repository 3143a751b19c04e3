"""EPP configurations with one mistake each, and the reaction of the real EPP (wrong.yaml)."""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from components.config.vocabulary import Preset, ReleaseName
from components.releases import RELEASES

Document = dict[str, Any]

MISTAKES: dict[str, tuple[str, Document, str, str]] = yaml.safe_load(Path(__file__).with_name("wrong.yaml").read_text())


def right(release: str) -> Document:
    """The configuration of selective P/D, which has all parts."""
    return RELEASES[ReleaseName(release)].picker_config(16, Preset.GUIDE).document()


def edited(document: Document, edits: Mapping[str, Any]) -> Document:
    """A copy with values that are `set` at dotted paths, items added to lists, and what is at paths removed."""
    result = copy.deepcopy(document)

    def place(path: str) -> tuple[Any, Any]:
        *above, last = (int(word) if word.isdigit() else word for word in path.split("."))
        at: Any = result
        for word in above:
            at = at[word]
        return at, last

    for path, value in edits.get("set", {}).items():
        at, last = place(path)
        at[last] = value
    for word in ("append", "prepend"):
        for path, items in edits.get(word, {}).items():
            at, last = place(path)
            at[last] = at[last] + items if word == "append" else items + at[last]
    for path in sorted(edits.get("remove", ()), reverse=True):
        at, last = place(path)
        del at[last]
    return result


def wrong(name: str) -> tuple[str, Document, str, str]:
    """Release, configuration, where our rules find the mistake, what the picker says."""
    release, edits, path, picker = MISTAKES[name]
    return release, edited(right(release), edits), path, picker
