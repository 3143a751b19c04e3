"""How pods are replaced, and timeouts that are shorter than a normal start."""

from collections.abc import Iterator

from components.config.problem import Problem
from components.plan.context import Context
from components.plan.worker_args import Strategy
from components.plan.workers import Tiers


def check(context: Context, tiers: Tiers) -> Iterator[Problem]:
    """Rollouts that cannot go on."""
    for role, tier in tiers.items():
        settings, path = context.tier(role).rollout, f"serving.{role}.rollout"
        if settings.max_unavailable == 0 and settings.max_surge == 0:
            yield Problem(
                f"{path}.maxUnavailable",
                0,
                f"is 0, and {path}.maxSurge is 0, too",
                "the API server would refuse the Deployment: no pod could ever be replaced",
                f"set one of them to 1; {path}.maxSurge needs the GPUs of one more worker",
            )
        if settings.max_surge and tier.rollout.strategy is Strategy.RECREATE:
            yield Problem(
                f"{path}.maxSurge",
                settings.max_surge,
                f"is about pods that are replaced one by one, and {context.mode.setting} ends all of them first",
                "it would be ignored",
                f"`pulumi config rm --path {path}.maxSurge`",
            )


def notes(context: Context, tiers: Tiers) -> Iterator[str]:
    """Waits of Pulumi that end before a worker's own start-up budget is spent. A model that loads faster is in time."""
    for role, tier in tiers.items():
        settings = context.tier(role).rollout
        budget, grace, times = tier.rollout.startup_budget, tier.rollout.termination_grace, tier.rollout.rounds
        update = times * (grace + budget)
        path = f"serving.{role}.rollout"
        if settings.create_timeout is not None and settings.create_timeout <= budget:
            yield (
                f"{path}.createTimeout: {settings.create_timeout} s is not longer than the start-up budget ({budget} "
                "s): `pulumi up` reports a failure while a model that takes its time is still loading"
            )
        if settings.update_timeout is not None and settings.update_timeout <= update:
            yield (
                f"{path}.updateTimeout: {settings.update_timeout} s is not longer than a rollout may take, {times} x "
                f"(grace {grace} s + start-up budget {budget} s): `pulumi up` may report a failure in the middle of it"
            )
