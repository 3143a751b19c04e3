"""What the endpoint picker of a release would ignore, or misunderstand."""

from collections.abc import Iterator

from components.config.problem import Problem
from components.config.settings import Selective
from components.plan.context import Context
from components.releases.picker_rules import mistakes

UNITS = {"threshold": "characters", "nonCachedTokens": "tokens"}


def check(context: Context) -> Iterator[Problem]:
    """Selective P/D in the unit of another release, or in none; then the configuration that would be rendered."""
    units = list(_units(context))
    yield from units or _configuration(context)


def _units(context: Context) -> Iterator[Problem]:
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


def _configuration(context: Context) -> Iterator[Problem]:
    """A release of ours that renders what its picker does not mean; nothing that a setting could cause."""
    release = context.release
    for mistake in mistakes(release.picker_config(context.uncached), release.picker_dialect):
        yield Problem(
            "serving.release",
            release.name.value,
            f"has a wrong picker configuration: {mistake.path} {mistake.wrong}",
            mistake.outcome,
            f"choose another release, and report this: in components/releases, {mistake.change}",
        )
