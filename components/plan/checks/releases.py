"""Settings that the programs of a release do not have."""

from collections.abc import Iterator, Mapping
from typing import Any

from components.config.problem import Problem
from components.config.vocabulary import Role
from components.plan.context import Context


def check(context: Context) -> Iterator[Problem]:
    """Each with the reason that stands in the file of the release; `path=value` is about one value only."""
    given = context.settings.model_dump(by_alias=True, mode="json", exclude_unset=True)
    for key, reason in context.release.lacks.items():
        path, _, only = key.partition("=")
        if only and context.own_images:  # what images of the user's know is not known
            continue
        tiers = [f"{role}.{path}" for role in Role] if path.startswith("kvTransfer.") else []
        for at in (path, *tiers):
            value = _value(given, at)
            if value == only if only else not (value is None or value is False):
                yield Problem(
                    f"serving.{at}",
                    value,
                    f"is not for release {context.release.name}: {reason}",
                    "a program would end at start because of an unknown word, or ignore it silently",
                    "leave it out, or choose a newer serving.release",
                )


def _value(given: Mapping[str, Any], path: str) -> Any:
    value: Any = given
    for key in path.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value
