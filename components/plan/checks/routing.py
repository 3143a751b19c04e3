"""What the endpoint picker of a release would ignore, or misunderstand."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from components.config.problem import Problem
from components.config.routing import Selective
from components.config.wording import as_problem
from components.plan.context import Context
from components.releases.picker_remarks import remarks
from components.releases.picker_rules import REFUSED, mistakes
from components.releases.router_dialect import AFFINITY

UNITS = {"threshold": "characters", "nonCachedTokens": "tokens"}
OWN = "serving.routing.config"


def check(context: Context) -> Iterator[Problem]:
    """Faults of the user's own configuration; otherwise of selective P/D, then of the rendered configuration."""
    own = context.settings.routing.config
    yield from _of_newer(context)
    if own is not None:
        yield from _beside_own(context)
        if context.settings.routing.image is None:
            yield from _own(context, own)
        return
    units = list(_units(context))
    yield from units or _configuration(context)


def notes(context: Context) -> Iterator[str]:
    """A configuration for a picker that this program does not know; older spellings and ignored words in another."""
    own = context.settings.routing.config
    if own is None:
        return
    release = context.release
    if context.settings.routing.image is None:
        found = list(
            remarks(release.picker_shape.model_validate(own, by_alias=True, by_name=False), release.picker_dialect)
        )
        if found:
            yield f"{OWN} is taken by the picker of release {context.release.name}, but: {'; '.join(found)}"
        return
    found = [f"{each.path.removeprefix(f'{OWN}.')} {each.wrong}" for each in _own(context, own)]
    if found:
        yield (
            f"{OWN} is not checked against serving.routing.image. The picker of release {context.release.name} would "
            f"not take it, or not disaggregate: {'; '.join(found)}"
        )


def _beside_own(context: Context) -> Iterator[Problem]:
    routing = context.settings.routing
    given = routing.model_dump(by_alias=True, mode="json", exclude_unset=True)
    for key in sorted({"preset", "selectivePd", "peakPrefillThroughput", "flowControl"} & given.keys()):
        yield Problem(
            f"serving.routing.{key}",
            given[key],
            f"is set beside {OWN}, which is all that the picker reads",
            "it would be ignored silently",
            f"`pulumi config rm --path serving.routing.{key}`, or the same with {OWN}",
        )


def _own(context: Context, own: dict[str, Any]) -> Iterator[Problem]:
    """Faults of the shape; without one, what the rules refuse."""
    try:
        config = context.release.picker_shape.model_validate(own, by_alias=True, by_name=False)
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            found = as_problem(detail, own, context.release.picker_shape)
            yield replace(found, path=OWN + found.path.removeprefix("serving"), outcome=REFUSED)
        return
    experimental = context.settings.routing.experimental_plugins
    for mistake in mistakes(config, context.release.picker_dialect, experimental=experimental):
        yield replace(mistake, path=f"{OWN}.{mistake.path}")


def _of_newer(context: Context) -> Iterator[Problem]:
    """Settings that exclude each other, and a parameter of a plugin that the release's preset does not have."""
    routing, release = context.settings.routing, context.release
    full = routing.flow_control.saturation if routing.flow_control else None
    if full and full.concurrency and (full.queue_depth or full.kv_cache):
        yield Problem(
            "serving.routing.flowControl.saturation.concurrency",
            full.concurrency,
            "is set beside queueDepth or kvCache, and the picker has one detector",
            "the others would be ignored silently",
            "keep one kind",
        )
    peak = routing.peak_prefill_throughput
    if peak and routing.config is None and not release.picker_config(context.uncached, routing.preset).lists(AFFINITY):
        yield Problem(
            "serving.routing.peakPrefillThroughput",
            peak,
            f"is a parameter of {AFFINITY}, which preset {routing.preset} of release {release.name} does not have",
            "it would be ignored silently",
            "leave it out, or use preset guide with release 0.9 or newer",
        )


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
            "it would be ignored silently: short prompts disaggregated like long ones, or none at all",
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
    """Faults of the configuration that the release renders; no setting can cause them."""
    release = context.release
    rendered = release.picker_config(context.uncached, context.settings.routing.preset)
    for mistake in mistakes(rendered, release.picker_dialect):
        yield Problem(
            "serving.release",
            release.name.value,
            f"has a wrong picker configuration: {mistake.path} {mistake.wrong}",
            mistake.outcome,
            f"choose another release, and report this: in components/releases, {mistake.change}",
        )
