"""What a policy is made of: a rule with its name and reason, and what it says about an object that breaks it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Object = Mapping[str, Any]
"""A Kubernetes object. Reading a value that is unknown before `up` raises the SDK's UnknownValueError; Pulumi then
says that the policy could not run yet."""


@dataclass(frozen=True)
class Stack:
    """Everything that a stack declares."""

    objects: Mapping[str, Object]
    """Kubernetes objects by URN."""
    outputs: Mapping[str, Any]


@dataclass(frozen=True)
class Violation:
    """One thing that is against a rule."""

    place: str
    wrong: str
    change: str
    """What to do, with the setting that decides it."""


@dataclass(frozen=True)
class _Rule:
    name: str
    """What Pulumi prints, and what a policy configuration calls it."""
    must: str
    outcome: str

    def text(self, found: Violation, subject: Object) -> str:
        """What a person reads below the rule's own sentence."""
        return (
            f"{_called(subject)}: {found.place}\n"
            f"  wrong:   {found.wrong}\n"
            f"  outcome: {self.outcome}\n"
            f"  change:  {found.change}"
        )


@dataclass(frozen=True)
class ObjectRule(_Rule):
    """A rule that one object tells whether it holds: checked before the object is touched."""

    check: Callable[[Object], Iterator[Violation]]


@dataclass(frozen=True)
class StackRule(_Rule):
    """A rule that takes the whole stack: checked at the end of a preview, and again after `up`."""

    check: Callable[[Object, Stack], Iterator[Violation]]


Rule = ObjectRule | StackRule


def _called(subject: Object) -> str:
    meta = subject.get("metadata") or {}
    return f"{subject.get('kind')} {'/'.join(str(meta[key]) for key in ('namespace', 'name') if meta.get(key))}"
