"""Warnings about EPP configurations that the EPP accepts: older spellings, and words that it ignores."""

from collections.abc import Iterator, Mapping
from typing import Any

from components.releases.picker_config import EndpointPickerConfig
from components.releases.picker_dialect import PickerDialect
from components.releases.picker_reading import Reading, parameter


def remarks(config: EndpointPickerConfig, dialect: PickerDialect) -> Iterator[str]:
    """Each in words, with its path within the configuration."""
    read = Reading(config, dialect)
    if config.api_version in dialect.former_versions:
        yield f"apiVersion {config.api_version} is deprecated; write {dialect.former_versions[config.api_version]}"
    for place, plugin in enumerate(config.plugins):
        path = f"plugins[{place}]"
        known = dialect.plugins.get(plugin.type)
        if known is None:
            continue
        if known.deprecated:
            yield f"{path}.type {plugin.type} is deprecated; write {known.deprecated}"
        for key in known.former.keys() & (plugin.parameters or {}).keys():
            yield f"{path}.parameters.{key} is deprecated: {known.former[key]}"
        strict = known.alpha or (dialect.strict and known.parameters)
        for key in () if strict else _ignored(plugin.parameters or {}, known.parameters):
            yield f"{path}.parameters.{key} is no parameter of {plugin.type} in this version: the picker ignores it"
        socket = dialect.tokenizer_at.get(plugin.type)
        if socket and parameter(plugin, f"{socket}.useTCP") is not True:
            yield (
                f"{path} needs a tokenizer at a socket of the picker's pod, and this stack runs none there: the picker "
                "would end at start. Run one as a Service, and write its address as socketFile and useTCP: true in "
                f"{socket}"
            )
    if read.handler:
        plugin, handler = read.handler
        for key, successor in handler.deprecated.items():
            if parameter(plugin, key):
                at = f"plugins[{config.plugins.index(plugin)}].parameters"
                yield f"{at}.{key} is deprecated; write {successor}"
        yield from _block_sizes(read)
    for place, profile in enumerate(config.scheduling_profiles):
        if profile.name not in read.profile_names.values():
            yield f"schedulingProfiles[{place}] {profile.name} has no workers in this stack"


def _block_sizes(read: Reading) -> Iterator[str]:
    """Handler and prefix cache count in blocks: where their sizes differ, cached prompts look new."""
    sizes, cache = read.dialect.block_sizes, read.cache
    if read.handler is None or sizes is None or cache is None:
        return
    plugin = read.handler[0]
    mine, cached = sizes
    amount = parameter(plugin, read.dialect.amount_at[1])
    if not isinstance(amount, (int, float)) or amount <= 0:
        return
    tuned = parameter(cache, "autoTune") is not False
    if tuned or parameter(cache, cached) != parameter(plugin, mine):
        at = f"plugins[{read.config.plugins.index(plugin)}].parameters.{mine}"
        yield (
            f"{at} must be equal to {cached} of {cache.called}, with autoTune: false. Otherwise cached prompts count "
            "as new, and are disaggregated although they are short"
        )


def _ignored(given: Mapping[str, Any], known: Mapping[str, Any]) -> Iterator[str]:
    for key, value in given.items():
        if key not in known:
            yield key
        elif isinstance(known[key], Mapping) and isinstance(value, Mapping):
            yield from (f"{key}.{each}" for each in _ignored(value, known[key]))
