"""All cross-checks: `check` returns proven problems, `notes` suspicions. Each is in the module of its subject."""

from dataclasses import replace

from components.config.problem import Problem
from components.config.settings import Serving
from components.config.vocabulary import ReleaseName
from components.plan import agreement, sized
from components.plan.checks import (
    commandline,
    files,
    gateway,
    infrastructure,
    kv_transfer,
    metadata,
    model,
    monitoring,
    network,
    releases,
    resources,
    routing,
    security,
    timing,
    topology,
)
from components.plan.context import Context
from components.plan.workers import Tiers
from components.plan.workers import tiers as resolved

FORMER = ReleaseName.V0_6
"""Default of `serving.release` before the present one, for which a stack that names none may have been written."""


def check(settings: Serving, *, token_given: bool) -> list[Problem]:
    """Problems of settings that are right one by one but cannot work together; `token_given`: hfToken is set."""
    found = _problems(settings, token_given=token_given)
    if not found or "release" in settings.model_fields_set:
        return found
    former = settings.model_copy(update={"release": FORMER})
    remain = {each.path for each in _problems(former, token_given=token_given)}
    way = f'; or set serving.release: "{FORMER}" (it is not set, and its default is "{settings.release}")'
    return [each if each.path in remain else replace(each, change=each.change + way) for each in found]


def _problems(settings: Serving, *, token_given: bool) -> list[Problem]:
    context = Context.of(settings)
    tiers = resolved(context)
    return [
        *infrastructure.check(context, tiers),
        *topology.check(context, tiers),
        *network.check(context, tiers),
        *kv_transfer.check(context),
        *agreement.check(context, tiers),
        *metadata.check(context),
        *gateway.check(context),
        *routing.check(context),
        *releases.check(context),
        *security.check(context, tiers),
        *resources.check(context, tiers),
        *timing.check(context, tiers),
        *commandline.check(context, tiers),
        *files.check(context, tiers),
        *model.check(context, token_given=token_given),
        *sized.check(context, tiers),
    ]


def notes(context: Context, tiers: Tiers) -> list[str]:
    """What the checks suspect of settings that they do not refuse, each with the config path and the reason."""
    found = [
        *topology.notes(context, tiers),
        *network.notes(context, tiers),
        *infrastructure.notes(context, tiers),
        *kv_transfer.notes(tiers),
        *routing.notes(context),
        *releases.notes(context),
        *commandline.notes(context),
        *files.notes(context, tiers),
        *resources.notes(context, tiers),
        *security.notes(tiers),
        *timing.notes(context, tiers),
        *monitoring.notes(context),
        *metadata.notes(context, tiers),
    ]
    return list(dict.fromkeys(found))
