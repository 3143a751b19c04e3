"""Timeouts that may strike while everything is still going well."""

from collections.abc import Iterator

from components.plan.context import Context
from components.plan.workers import Tiers


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
