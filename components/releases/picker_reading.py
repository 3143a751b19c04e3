"""A picker's configuration as the picker reads it: the job of each plugin, and the role of each profile."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from components.config.vocabulary import Role
from components.releases.picker_config import EndpointPickerConfig, Plugin, Profile
from components.releases.picker_dialect import CACHE, PRECISE, ROLE_FILTERS, ROLE_LABEL, Handler, Job, PickerDialect


@dataclass(frozen=True)
class Reading:
    """A configuration and the dialect of the picker that reads it."""

    config: EndpointPickerConfig
    dialect: PickerDialect

    @cached_property
    def plugins(self) -> Mapping[str, Plugin]:
        """Plugins by the name that others refer to."""
        return {each.called: each for each in self.config.plugins}

    def job(self, name: str) -> Job | None:
        """What the plugin of a name does; None: there is none, or the picker does not know it."""
        plugin = self.plugins.get(name)
        known = self.dialect.plugins.get(plugin.type) if plugin else None
        return known.job if known else None

    def listed(self, job: Job) -> list[Plugin]:
        return [each for each in self.config.plugins if self.job(each.called) is job]

    @cached_property
    def handler(self) -> tuple[Plugin, Handler] | None:
        """The handler that disaggregates, if it is the only one."""
        handlers = self.listed(Job.HANDLER)
        known = self.dialect.handlers.get(handlers[0].type) if len(handlers) == 1 else None
        return (handlers[0], known) if known else None

    @cached_property
    def profile_names(self) -> Mapping[Role, str]:
        """What each role's profile is called."""
        if self.handler is None:
            return {role: role.value for role in Role}
        plugin, known = self.handler
        return {role: str(first(plugin, known.profile_at[role])[1] or role.value) for role in Role}

    def profile(self, role: Role) -> Profile | None:
        named = [each for each in self.config.scheduling_profiles if each.name == self.profile_names[role]]
        return named[0] if named else None

    @cached_property
    def cache(self) -> Plugin | None:
        """The plugin of the decode profile that tells how much of a prompt the worker has cached."""
        decode = self.profile(Role.DECODE)
        references = decode.plugins if decode else []
        named = None
        if self.handler and self.handler[1].cache_at:
            named = parameter(self.handler[0], self.handler[1].cache_at) or CACHE
        for each in (self.plugins[one.plugin_ref] for one in references if one.plugin_ref in self.plugins):
            speculative = each.type == PRECISE and parameter(each, "speculativeIndexing") is True
            if (each.type == CACHE or (speculative and not named)) and named in (None, each.called):
                return each
        return None

    def passes(self, profile: Profile, role: Role) -> bool | None:
        """Whether a profile's filters let a role's workers through; None: it depends on the request."""
        answers = [
            _passes(self.plugins[each.plugin_ref], role)
            for each in profile.plugins
            if self.job(each.plugin_ref) is Job.FILTER
        ]
        if any(each is False for each in answers):
            return False
        filtering = [self.plugins[each.plugin_ref] for each in profile.plugins if each.plugin_ref in self.plugins]
        if any((each.parameters or {}).get("enableFiltering") is True for each in filtering):
            return None
        return None if None in answers else True


def first(plugin: Plugin, paths: Iterable[str]) -> tuple[str, Any]:
    """The first of some parameters that is given, and its value; the first path and None where none is."""
    paths = list(paths)
    for path in paths:
        value = parameter(plugin, path)
        if value not in (None, ""):
            return path, value
    return paths[0], None


def parameter(plugin: Plugin, path: str) -> Any:
    """A parameter of a plugin, with dots between the levels; None: it is not given."""
    value: Any = plugin.parameters or {}
    for key in path.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _passes(plugin: Plugin, role: Role) -> bool | None:
    """Whether a filter lets a role's workers through (pkg/plugins/filter); None: it asks for other labels, too."""
    given = plugin.parameters or {}
    if plugin.type in ROLE_FILTERS:
        return ROLE_FILTERS[plugin.type] is role
    if plugin.type == "by-label" and given.get("label") == ROLE_LABEL:
        return role.value in (given.get("validValues") or [])
    if plugin.type in ("by-label-selector", "label-selector-filter"):
        rules = [("In", key, [value]) for key, value in (given.get("matchLabels") or {}).items()]
        rules += [
            (str(each.get("operator")), each.get("key"), each.get("values") or [])
            for each in given.get("matchExpressions") or []
            if isinstance(each, Mapping)
        ]
        about = [_holds(operator, values, role) for operator, key, values in rules if key == ROLE_LABEL]
        if False in about:
            return False
        return True if len(about) == len(rules) else None
    return None


def _holds(operator: str, values: list[Any], role: Role) -> bool:
    return {"In": role.value in values, "NotIn": role.value not in values, "Exists": True}.get(operator, False)
