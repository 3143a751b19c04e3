"""What the endpoint picker of a release would ignore."""

from collections.abc import Iterator

from components.config.problem import Problem
from components.config.settings import Selective
from components.plan.context import Context

UNITS = {"threshold": "characters", "nonCachedTokens": "tokens"}


def check(context: Context) -> Iterator[Problem]:
    """Selective P/D in the unit of another release, or in none."""
    selective, release = context.settings.routing.selective_pd, context.release
    if not isinstance(selective, Selective):
        return
    path = "serving.routing.selectivePd"
    given = selective.model_dump(by_alias=True, exclude_none=True)
    if release.ignored_unit in given:
        yield Problem(
            f"{path}.{release.ignored_unit}",
            given[release.ignored_unit],
            f"is a setting that the picker of release {release.name} does not read",
            "it would be ignored without a word: short prompts disaggregated like long ones, or none at all",
            f"use {release.selective_unit} ({UNITS[release.selective_unit]} not cached on any decode worker), "
            "or `selectivePd: always`",
        )
    elif not given:
        yield Problem(
            path,
            given,
            "says neither always nor how many",
            "the picker would not know which prompts to disaggregate",
            f"write {{{release.selective_unit}: N}}, or `selectivePd: always`",
        )
