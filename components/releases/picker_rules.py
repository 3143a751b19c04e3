"""What is wrong with a picker's configuration, above all what the picker itself accepts without a word.

Such mistakes end in requests that are answered but never disaggregated: only counting legs would show them.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from components.config.problem import Hidden, Problem
from components.config.vocabulary import Role
from components.config.wording import nearest
from components.releases.picker_config import PickerConfig, Plugin, Profile
from components.releases.picker_dialect import CACHE, Job, PickerDialect

REFUSED = "the picker would refuse the file and restart for ever"
NEVER = "every request would be answered, and none ever disaggregated"
KINDS = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
    list: "a list",
    dict: "an object",
}


def mistakes(config: PickerConfig, dialect: PickerDialect) -> Iterator[Problem]:
    """Every mistake; paths are those within the configuration, such as `plugins[3].parameters.threshold`."""
    for place, gate in enumerate(config.feature_gates or []):
        if gate not in dialect.gates:
            hint = nearest(gate, dialect.gates)
            yield Problem(f"featureGates[{place}]", gate, "is no gate of this picker" + hint, REFUSED, "delete it")
    for section in ("saturationDetector", "data", "flowControl"):
        if section in config.document() and section not in dialect.sections:
            yield Problem(section, Hidden(), "is of a newer picker than this release's", REFUSED, "delete it")
    yield from _plugins(config, dialect)
    yield from _profiles(config, dialect)
    yield from _disaggregation(config, dialect)


def _plugins(config: PickerConfig, dialect: PickerDialect) -> Iterator[Problem]:
    names: set[str] = set()
    for place, plugin in enumerate(config.plugins):
        path = f"plugins[{place}]"
        if plugin.called in names:
            yield Problem(path, plugin.called, "is the second plugin of this name", REFUSED, "give it another name")
        names.add(plugin.called)
        known = dialect.plugins.get(plugin.type)
        if known is None:
            successor = dialect.successors.get(plugin.type)
            hint = f"; it is {successor} there" if successor else nearest(plugin.type, dialect.plugins)
            wrong = "is no plugin that this release's picker is known to have" + hint
            yield Problem(f"{path}.type", plugin.type, wrong, REFUSED, "use one of " + ", ".join(dialect.plugins))
        else:
            yield from _parameters(f"{path}.parameters", plugin.parameters or {}, known.parameters)


def _parameters(path: str, given: Mapping[str, Any], known: Mapping[str, Any]) -> Iterator[Problem]:
    for key, value in given.items():
        here = f"{path}.{key}"
        if key not in known:
            outcome = "the picker would ignore it without a word, and use its default"
            change = f"rename or delete it; parameters here: {', '.join(known) or 'none'}"
            yield Problem(here, value, "is no parameter of this plugin" + nearest(key, known), outcome, change)
            continue
        kind = dict if isinstance(known[key], Mapping) else known[key]
        if not _is(value, kind):
            yield Problem(here, value, f"is not {KINDS[kind]}", REFUSED, f"write {KINDS[kind]}")
        elif kind is not known[key]:
            yield from _parameters(here, value, known[key])


def _is(value: Any, kind: type) -> bool:
    """Whether a picker reads the value as that kind; Python takes true and false for numbers."""
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, (int, float) if kind is float else kind)


def _profiles(config: PickerConfig, dialect: PickerDialect) -> Iterator[Problem]:
    types = {plugin.called: plugin.type for plugin in config.plugins}
    for place, profile in enumerate(config.scheduling_profiles):
        path = f"schedulingProfiles[{place}]"
        if profile.name not in set(Role):
            outcome = f"no request would ever use it, or find its workers: {NEVER}"
            yield Problem(f"{path}.name", profile.name, "is neither prefill nor decode", outcome, "rename it")
        elif profile.name in {each.name for each in config.scheduling_profiles[:place]}:
            yield Problem(f"{path}.name", profile.name, "is the second profile of this name", REFUSED, "delete one")
        else:
            yield from _filters(path, profile, {types.get(each.plugin_ref) for each in profile.plugins})
        for position, reference in enumerate(profile.plugins):
            here = f"{path}.plugins[{position}]"
            if reference.plugin_ref not in types:
                change = f"list it in plugins, or refer to one of {', '.join(types)}"
                yield Problem(f"{here}.pluginRef", reference.plugin_ref, "refers to no plugin", REFUSED, change)
            elif isinstance(reference.weight, float) and not dialect.fractional_weights:
                yield Problem(f"{here}.weight", reference.weight, "is a fraction", REFUSED, "use whole numbers")
    for role in set(Role) - {each.name for each in config.scheduling_profiles}:
        outcome = "every request would fail with 429" if role is Role.DECODE else NEVER
        yield Problem("schedulingProfiles", Hidden(), f"has no profile {role}", outcome, "add one with that name")


def _filters(path: str, profile: Profile, types: set[str | None]) -> Iterator[Problem]:
    for role in Role:
        mine = role == profile.name
        if mine != (f"{role}-filter" in types):
            wrong = f"{'lacks' if mine else 'has'} the {role}-filter"
            outcome = f"{profile.name} requests would go to workers of the other role, all of them answered"
            change = f"{'add' if mine else 'delete'} the reference to it"
            yield Problem(f"{path}.plugins", Hidden(), wrong, outcome, change)


def _disaggregation(config: PickerConfig, dialect: PickerDialect) -> Iterator[Problem]:
    jobs = {
        plugin.called: dialect.plugins[plugin.type].job for plugin in config.plugins if plugin.type in dialect.plugins
    }
    if Job.HEADERS not in jobs.values():
        [headers] = [name for name, known in dialect.plugins.items() if known.job is Job.HEADERS]
        outcome = f"a prefill worker would be chosen, and nobody told: {NEVER}"
        yield Problem("plugins", Hidden(), "has no headers handler", outcome, f"add {headers}")
    handlers = [each for each in config.plugins if jobs.get(each.called) is Job.HANDLER]
    if [each.type for each in handlers] != [dialect.handler]:
        wrong = "has no profile handler that disaggregates, or more than one"
        yield Problem("plugins", Hidden(), wrong, f"{REFUSED}, or: {NEVER}", f"list {dialect.handler}, and only it")
        return
    decides: Plugin | None = handlers[0]
    if dialect.decider_at:
        decides = None
        name: Any = handlers[0].parameters or {}
        for key in dialect.decider_at:
            name = name.get(key) if isinstance(name, Mapping) else None
        before = config.plugins[: config.plugins.index(handlers[0])]
        path = f"plugins[{len(before)}].parameters.{'.'.join(dialect.decider_at)}"
        if not isinstance(name, str):
            yield Problem(path, None, "names no decider", NEVER, "name a decider that is listed before it")
        elif jobs.get(name) is not Job.DECIDER or name not in {each.called for each in before}:
            yield Problem(path, name, "is no decider that is listed before it", REFUSED, "list one before this plugin")
        else:
            [decides] = [each for each in before if each.called == name]
    if decides is not None and decides.type == dialect.amount_at[0]:
        yield from _selective(config, dialect, decides)


def _selective(config: PickerConfig, dialect: PickerDialect, decides: Plugin) -> Iterator[Problem]:
    """What a decision by the number of uncached units needs besides the number."""
    path = f"plugins[{config.plugins.index(decides)}].parameters.{dialect.amount_at[1]}"
    amount = (decides.parameters or {}).get(dialect.amount_at[1], 0)
    if not isinstance(amount, int):
        return
    if amount < 0 or (amount == 0 and dialect.zero_is_never):
        yield Problem(path, amount, "means never", NEVER, "give a number from 1, or use the decider that always does")
    if amount <= 0:
        return
    caches = [each for each in config.plugins if each.called == each.type == CACHE]
    decode = [
        each.plugin_ref
        for profile in config.scheduling_profiles
        if profile.name == "decode"
        for each in profile.plugins
    ]
    if not caches or CACHE not in decode:
        outcome = "nothing would count as cached, or the decider never see what is: the number would mean nothing"
        yield Problem(path, amount, f"needs a {CACHE} in the decode profile", outcome, f"list {CACHE} and refer to it")
    elif dialect.block_sizes:
        mine, theirs = dialect.block_sizes
        cache = caches[0].parameters or {}
        if cache.get("autoTune", True) or cache.get(theirs) != (decides.parameters or {}).get(mine):
            outcome = "cached prompts would look new and be disaggregated every time"
            change = f"write autoTune: false and the same {theirs} as {mine}"
            yield Problem(path, amount, f"needs {theirs} of {CACHE} and {mine} to agree", outcome, change)
    if dialect.cache_gate and dialect.cache_gate not in (config.feature_gates or []):
        yield Problem("featureGates", config.feature_gates, f"lacks {dialect.cache_gate}", NEVER, "add it")
