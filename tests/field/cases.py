"""The corpus of field cases: problems that people had with P/D serving, and the program's expected reaction.

A file of `cases/` holds the cases of one kind. CONTRIBUTING.md says what a case looks like.
"""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent / "cases"
BASE: dict[str, Any] = {"release": "0.6", "accelerator": "nvidia", "model": {"name": "org/model"}}
"""The stack over which the settings of a case are laid."""

WORDS = ("refused", "warned", "deployed")


@dataclass(frozen=True)
class Behaviour:
    """What the program does with a stack, or should do."""

    refused: Mapping[str, list[str]]
    """Words of each refusal (with a cluster: of each error of the preflight), by config path."""
    warned: Mapping[str, list[str]]
    """Words of each warning, by config path."""
    deployed: Mapping[str, Any]
    """Fields of the objects, as `tests.field.seen` calls them; null: the field is absent."""

    @property
    def kind(self) -> str:
        """The strongest of the three words that applies."""
        return "refused" if self.refused else "warned" if self.warned else "deployed"


@dataclass(frozen=True)
class Case:
    """One field case."""

    id: str
    file: str
    source: str
    """Where the person reported it, or published the file."""
    story: str
    """What happened, in one sentence."""
    settings: Mapping[str, Any]
    """The whole object `serving`."""
    cluster: Mapping[str, Any] | None
    """The cluster that the preflight looks at; None: the case is about settings alone."""
    right: Behaviour
    today: Behaviour
    """What the program does today; differs from `right` in an open case."""

    @property
    def open(self) -> bool:
        """Whether the program is known to be wrong."""
        return self.right != self.today


def corpus() -> list[Case]:
    """All cases, in the order of the files."""
    return [_read(file.stem, data) for file in sorted(HERE.glob("*.yaml")) for data in yaml.safe_load(file.read_text())]


def _read(file: str, data: Mapping[str, Any]) -> Case:
    known = {"id", "source", "story", "settings", "cluster", "open", *WORDS}
    assert data.keys() <= known, f"{data.get('id')}: unknown {sorted(data.keys() - known)}"
    right = _behaviour(data)
    return Case(
        id=data["id"],
        file=file,
        source=data["source"],
        story=data["story"],
        settings=laid_over(BASE, data["settings"]),
        cluster=data.get("cluster"),
        right=right,
        today=_behaviour(data["open"]) if "open" in data else right,
    )


def _behaviour(data: Mapping[str, Any]) -> Behaviour:
    assert any(word in data for word in WORDS), f"{data}: says nothing"
    return Behaviour(*(data.get(word) or {} for word in WORDS))


def laid_over(below: Any, above: Any) -> Any:
    """`above` over `below`: mappings key by key, everything else replaces."""
    if not isinstance(below, dict) or not isinstance(above, dict):
        return copy.deepcopy(above)
    return {**below, **{key: laid_over(below.get(key), value) for key, value in above.items()}}


def lacking(expected: Any, actual: Any, path: str = "") -> Iterator[str]:
    """What `actual` lacks of `expected`: null is an absent field, a list is contained in any order.

    `{(exactly): value}` is no other value, in this order.
    """
    if isinstance(expected, Mapping) and "(exactly)" in expected:
        if expected["(exactly)"] != actual:
            yield f"{path}: {actual!r} instead of exactly {expected['(exactly)']!r}"
    elif isinstance(expected, Mapping):
        if not isinstance(actual, Mapping):
            yield f"{path}: no object, but {actual!r}"
            return
        for key, value in expected.items():
            if value is None and key in actual:
                yield f"{path}.{key}: is there, {actual[key]!r}"
            elif value is not None and key not in actual:
                yield f"{path}.{key}: is missing; there are {', '.join(actual)}"
            elif value is not None:
                yield from lacking(value, actual[key], f"{path}.{key}")
    elif isinstance(expected, list):
        for value in expected:
            if not any(not list(lacking(value, each)) for each in actual):
                yield f"{path}: {value!r} is not among {actual!r}"
    elif expected != actual:
        yield f"{path}: {actual!r} instead of {expected!r}"
