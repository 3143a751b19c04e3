"""What is wrong with a picker's configuration, above all what the picker itself accepts silently.

A mistake is one of two things: the picker would refuse the file (`REFUSED` is in its outcome), or requests would be
answered and never disaggregated, which only counting legs would show. What does no such harm is in `picker_remarks`.
"""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from components.config.problem import Hidden, Problem
from components.config.vocabulary import Role
from components.config.wording import nearest
from components.releases.picker_config import EndpointPickerConfig, Plugin, Profile
from components.releases.picker_dialect import CACHE, Job, PickerDialect
from components.releases.picker_reading import Reading, first, parameter

REFUSED = "the picker would refuse the file and crash-loop"
NEVER = "every request would be answered, and none ever disaggregated"
_PRODUCER = "since v0.9 it is one of approx-prefix-cache-producer"
MOVED = dict.fromkeys(
    ("autoTune", "blockSizeTokens", "blockSize", "maxPrefixBlocksToMatch", "lruCapacityPerServer"), _PRODUCER
)
"""Parameters that other plugins have today."""
KINDS = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
    list: "a list",
    dict: "an object",
}
ALSO: Mapping[Job, tuple[Job, ...]] = {Job.EXTRACTOR: (Job.PRODUCER, Job.SCORER)}
"""Jobs with plugins that may do another one, too: a data producer reads notifications about workers itself, and so
does the older precise prefix cache."""
GATE_VALUES = ("true", "false", "t", "f", "1", "0")
"""Values of a feature gate (Go's strconv.ParseBool)."""
MISSPELT = 0.85
"""Likeness to a parameter from which on another word is a misspelling of it, and not a parameter of another version."""


def mistakes(config: EndpointPickerConfig, dialect: PickerDialect, *, experimental: bool = False) -> Iterator[Problem]:
    """Every mistake; paths are those within the configuration, such as `plugins[3].parameters.threshold`.

    `experimental`: the picker takes Alpha plugins, too.
    """
    read = Reading(config, dialect)
    yield from _sections(read)
    yield from _plugins(read, experimental=experimental)
    yield from _profiles(read)
    yield from _disaggregation(read)


def _sections(read: Reading) -> Iterator[Problem]:
    config, dialect = read.config, read.dialect
    gates = config.feature_gates or []
    for place, gate in enumerate(gates):
        name, switch, value = gate.partition("=")
        if name in dialect.gates and (not switch or (dialect.strict and value.strip().lower() in GATE_VALUES)):
            continue
        if name not in dialect.gates or not dialect.strict:
            hint = nearest(gate, dialect.gates)
            yield Problem(f"featureGates[{place}]", gate, "is no gate of this picker" + hint, REFUSED, "delete it")
        else:
            yield Problem(f"featureGates[{place}]", gate, "is neither true nor false", REFUSED, f"write {name}=false")
    for section in ("saturationDetector", "data", "flowControl"):
        if section in config.document() and section not in dialect.sections:
            yield Problem(section, Hidden(), "is of a newer picker than this release's", REFUSED, "delete it")
    if dialect.data_gate in gates and not config.document().get("data", {}).get("sources"):
        wrong = f"is missing, and the gate {dialect.data_gate} needs it"
        yield Problem("data", Hidden(), wrong, REFUSED, "add its sources, or delete the gate")
    for path, name, job in config.references():
        if read.job(name) not in (job, *ALSO.get(job, ())):
            names = ", ".join(each for each, known in dialect.plugins.items() if known.job is job)
            yield Problem(path, name, f"refers to no {job}", REFUSED, f"list one in plugins: {names}")


def _plugins(read: Reading, *, experimental: bool) -> Iterator[Problem]:
    names: set[str] = set()
    for place, plugin in enumerate(read.config.plugins):
        path = f"plugins[{place}]"
        if plugin.called in names:
            yield Problem(path, plugin.called, "is the second plugin of this name", REFUSED, "give it another name")
        names.add(plugin.called)
        known = read.dialect.plugins.get(plugin.type)
        if known is None:
            successor = read.dialect.successors.get(plugin.type)
            hint = f"; it is {successor} there" if successor else nearest(plugin.type, read.dialect.plugins)
            wrong = "is no plugin that this release's picker is known to have" + hint
            yield Problem(f"{path}.type", plugin.type, wrong, REFUSED, "use one of " + ", ".join(read.dialect.plugins))
            continue
        if known.alpha and not experimental:
            yield Problem(
                f"{path}.type",
                plugin.type,
                "is an Alpha plugin, which the picker takes with --allow-experimental-plugins only",
                REFUSED,
                "set serving.routing.experimentalPlugins: true, or leave the plugin out",
            )
        if not known.alpha:
            strict = read.dialect.strict and bool(known.parameters)  # the picker passes over those of other plugins
            yield from _parameters(f"{path}.parameters", plugin.parameters or {}, known.parameters, strict=strict)
        for need in known.needs:
            if not parameter(plugin, need):
                yield Problem(f"{path}.parameters.{need}", Hidden(), "is missing", REFUSED, "add it")
        yield from _values(read, f"{path}.parameters", plugin)


def _values(read: Reading, path: str, plugin: Plugin) -> Iterator[Problem]:
    """What the picker's own checks of a plugin's parameters would refuse."""
    given = plugin.parameters or {}
    if plugin.type == "by-label" and not given.get("validValues") and not given.get("allowsNoLabel"):
        change = "list the values, or write allowsNoLabel: true"
        yield Problem(f"{path}.validValues", Hidden(), "lets no worker through", REFUSED, change)
    if plugin.type == CACHE and read.dialect.characters:
        characters, tokens = read.dialect.characters
        if _number(given.get(characters)) > 0 and _number(given.get(tokens)) <= 0:
            wrong = "counts characters, and this picker wants tokens"
            change = f"write {tokens}, the same number divided by 4"
            yield Problem(f"{path}.{characters}", given[characters], wrong, REFUSED, change)
    port = _number(given.get("primaryPort"))
    if "primaryPort" in given and not 0 <= port <= 65535:
        yield Problem(f"{path}.primaryPort", port, "is no port", REFUSED, "use 1 to 65535, or leave it out")
    if "hashBlockSize" in given and plugin.type in read.dialect.handlers and _number(given["hashBlockSize"]) <= 0:
        yield Problem(f"{path}.hashBlockSize", given["hashBlockSize"], "is below 1", REFUSED, "leave it out")


def _number(value: Any) -> float:
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else 0


def _parameters(path: str, given: Mapping[str, Any], known: Mapping[str, Any], *, strict: bool) -> Iterator[Problem]:
    for key, value in given.items():
        here = f"{path}.{key}"
        if key not in known:
            near = get_close_matches(key, known, n=1, cutoff=MISSPELT)
            if strict:
                moved = MOVED.get(key, "")
                hint = f"; did you mean {near[0]}?" if near else f"; {moved}" if moved else ""
                change = f"delete it; parameters here: {', '.join(known) or 'none'}"
                yield Problem(here, value, "is no parameter of this plugin" + hint, REFUSED, change)
            elif near:
                wrong = f"is no parameter of this plugin; did you mean {near[0]}?"
                outcome = "the picker would ignore it silently, and use its default"
                yield Problem(here, value, wrong, outcome, f"rename it; parameters here: {', '.join(known)}")
            continue
        if value is None:
            continue
        kind = dict if isinstance(known[key], Mapping) else known[key]
        if not _is(value, kind):
            yield Problem(here, value, f"is not {KINDS[kind]}", REFUSED, f"write {KINDS[kind]}")
        elif kind is not known[key]:
            yield from _parameters(here, value, known[key], strict=strict)


def _is(value: Any, kind: type) -> bool:
    """Whether a picker reads the value as that kind; Python takes true and false for numbers.

    YAML's 1.0 is the whole number 1 to the picker, which reads JSON.
    """
    if isinstance(value, bool):
        return kind is bool
    if kind is int and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, (int, float) if kind is float else kind)


def _profiles(read: Reading) -> Iterator[Problem]:
    config, names = read.config, read.profile_names
    lacking = [role for role in Role if read.profile(role) is None]
    only = read.handler is not None and read.handler[1].only_its_profiles
    for place, profile in enumerate(config.scheduling_profiles):
        path = f"schedulingProfiles[{place}]"
        roles = [role for role in Role if names[role] == profile.name]
        if profile.name in {each.name for each in config.scheduling_profiles[:place]}:
            yield Problem(f"{path}.name", profile.name, "is the second profile of this name", REFUSED, "delete one")
        elif roles:
            yield from _filters(read, path, profile, roles[0])
        elif lacking or only:
            wanted = " nor ".join(names[role] for role in (Role.PREFILL, Role.DECODE))
            outcome = (
                f"no request would ever use it, or find its workers: {NEVER}"
                if lacking
                else "the picker would choose a prefill worker again and again, and answer no request"
            )
            yield Problem(f"{path}.name", profile.name, f"is neither {wanted}", outcome, "rename or delete it")
        yield from _references(read, path, profile)
    for role in lacking:
        outcome = "every request would fail with 429" if role is Role.DECODE else NEVER
        wrong = f"has no profile {names[role]}"
        yield Problem("schedulingProfiles", Hidden(), wrong, outcome, "add one with that name")


def _references(read: Reading, path: str, profile: Profile) -> Iterator[Problem]:
    chosen = ""
    for position, reference in enumerate(profile.plugins):
        here, name = f"{path}.plugins[{position}]", reference.plugin_ref
        job, weight = read.job(name), reference.weight
        if name not in read.plugins:
            change = f"list it in plugins, or refer to one of {', '.join(read.plugins)}"
            yield Problem(f"{here}.pluginRef", name, "refers to no plugin", REFUSED, change)
        elif weight is not None and not read.dialect.fractional_weights and not _is(weight, int):
            yield Problem(f"{here}.weight", weight, "is a fraction", REFUSED, "use whole numbers")
        elif job is Job.SCORER and weight is None and chosen and not read.dialect.weightless_after_picker:
            wrong = f'is a scorer without a weight after the picker "{chosen}" of its profile'
            outcome = "it would end with a nil pointer"
            yield Problem(here, name, wrong, f"{REFUSED}: {outcome}", "write weight: 1, or name it before the picker")
        if job is Job.CHOICE:
            if chosen:
                wrong = f"has two pickers, {chosen} and {name}"
                yield Problem(f"{path}.plugins", Hidden(), wrong, REFUSED, "delete the reference to one")
            chosen = chosen or name


def _filters(read: Reading, path: str, profile: Profile, role: Role) -> Iterator[Problem]:
    other = next(each for each in Role if each is not role)
    if read.passes(profile, role) is False:
        wrong = f"has a filter that no {role} worker passes"
        outcome = f"no {role} worker would ever be chosen" + ("" if role is Role.DECODE else f": {NEVER}")
        yield Problem(f"{path}.plugins", Hidden(), wrong, outcome, f"refer to {role}-filter instead")
    elif read.passes(profile, other):
        wrong = f"lacks the {role}-filter"
        outcome = f"{role} requests would go to workers of the other role, all of them answered"
        yield Problem(f"{path}.plugins", Hidden(), wrong, outcome, "add the reference to it")


def _disaggregation(read: Reading) -> Iterator[Problem]:
    headers = read.listed(Job.HEADERS)
    known_handlers = [read.handler[1]] if read.handler else read.dialect.handlers.values()
    if not headers and not any(each.writes_headers for each in known_handlers):
        [name, *_] = [name for name, known in read.dialect.plugins.items() if known.job is Job.HEADERS]
        outcome = f"a prefill worker would be chosen, and no header would name it: {NEVER}"
        yield Problem("plugins", Hidden(), "has no headers handler", outcome, f"add {name}")
    if read.handler is None:
        yield _no_handler(read)
        return
    plugin, known = read.handler
    prefill = read.profile_names[Role.PREFILL]
    named = {str(parameter(each, "prefillProfile") or Role.PREFILL.value) for each in headers}
    if headers and prefill not in named:
        place = read.config.plugins.index(headers[0])
        wrong = f"is not {prefill}, the prefill profile of {plugin.called}"
        outcome = f"the prefill worker would be chosen, and no header would name it: {NEVER}"
        at = f"plugins[{place}].parameters.prefillProfile"
        yield Problem(at, min(named), wrong, outcome, f"write prefillProfile: {prefill}")
    if not known.decider_at:
        yield from _selective(read, plugin)
        return
    place = read.config.plugins.index(plugin)
    flat = [key for key in known.deprecated if parameter(plugin, key)]
    nested = [key for key in ("profiles", "deciders") if parameter(plugin, key)]
    if flat and nested:
        wrong = f"is an older name beside {' and '.join(nested)}"
        change = f"write {known.deprecated[flat[0]]} instead"
        at = f"plugins[{place}].parameters.{flat[0]}"
        yield Problem(at, parameter(plugin, flat[0]), wrong, REFUSED, change)
    if known.order_at and _prefill_first(parameter(plugin, known.order_at)):
        key, given = first(plugin, known.decider_at)
        if given:
            path = f"plugins[{place}].parameters.{key}"
            yield Problem(path, given, "goes with stageOrder: decode-first only", REFUSED, "delete one of both")
        return
    key, given = first(plugin, known.decider_at)
    decider = given or known.decider
    path = f"plugins[{place}].parameters.{key}"
    listed = read.config.plugins if read.dialect.strict else read.config.plugins[:place]
    before = {each.called: each for each in listed}
    if not isinstance(decider, str):
        yield Problem(path, None, "names no decider", NEVER, "name a decider that is listed before it")
    elif decider not in before or read.job(decider) is not Job.DECIDER:
        where = "" if read.dialect.strict else " before it"
        yield Problem(path, decider, f"is no decider that is listed{where}", REFUSED, "list one before this plugin")
    else:
        yield from _selective(read, before[decider])


def _prefill_first(order: Any) -> bool:
    """Whether a stage order is prefill-first, as the picker reads it (`ParseStageOrder`)."""
    return str(order).lower().replace("-", "").replace("_", "") in ("prefillfirst", "prefill")


def _no_handler(read: Reading) -> Problem:
    """No handler, the wrong one, or several."""
    handlers = read.listed(Job.HANDLER)
    single = len(handlers) == 1 and handlers[0].type == "single-profile-handler"
    many = len(read.config.scheduling_profiles) > 1
    refused = len(handlers) > 1 or (many and (single or not handlers))
    wrong = "has no profile handler that disaggregates, or more than one"
    first_choice = next(iter(read.dialect.handlers))
    return Problem("plugins", Hidden(), wrong, REFUSED if refused else NEVER, f"list {first_choice}, and only it")


def _selective(read: Reading, decides: Plugin) -> Iterator[Problem]:
    """What a decision by the number of uncached units needs besides the number."""
    config, dialect = read.config, read.dialect
    if decides.type != dialect.amount_at[0]:
        return
    path = f"plugins[{config.plugins.index(decides)}].parameters.{dialect.amount_at[1]}"
    amount = (decides.parameters or {}).get(dialect.amount_at[1], 0)
    if not isinstance(amount, (int, float)):
        return
    if amount < 0:
        yield Problem(path, amount, "is negative", REFUSED, "give a number from 1, or use the decider that always does")
    elif amount == 0 and dialect.zero_is_never:
        yield Problem(path, amount, "means never", NEVER, "give a number from 1, or use the decider that always does")
    if amount <= 0:
        return
    if read.dialect.reads_cache and read.cache is None:
        outcome = "nothing would count as cached, or the decider never see what is: the number would mean nothing"
        yield Problem(path, amount, f"needs a {CACHE} in the decode profile", outcome, f"list {CACHE} and refer to it")
    if dialect.cache_gate and dialect.cache_gate not in (config.feature_gates or []):
        yield Problem("featureGates", config.feature_gates, f"lacks {dialect.cache_gate}", NEVER, "add it")
