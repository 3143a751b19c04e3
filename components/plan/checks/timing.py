"""Timeouts that would strike while everything is still going well."""

from collections.abc import Iterator

from components.config.problem import Problem
from components.plan.context import Context
from components.plan.workers import Tiers


def check(context: Context, tiers: Tiers) -> Iterator[Problem]:
    """Pulumi must not give up before the worker's own start-up budget is spent."""
    for role, tier in tiers.items():
        settings = context.tier(role).rollout
        budget, grace, times = tier.rollout.startup_budget, tier.rollout.termination_grace, tier.rollout.rounds
        update = times * (grace + budget)
        path = f"serving.{role}.rollout"
        if settings.create_timeout is not None and settings.create_timeout <= budget:
            yield Problem(
                f"{path}.createTimeout",
                settings.create_timeout,
                f"is not longer than the start-up budget ({budget} s)",
                "`pulumi up` would report a failure while the model is still loading as it should",
                f"use more than {budget}, delete it (default: 600 + start-up budget), or shorten {path}.startupBudget",
            )
        if settings.update_timeout is not None and settings.update_timeout <= update:
            yield Problem(
                f"{path}.updateTimeout",
                settings.update_timeout,
                f"is not longer than a rollout may take: {times} x (grace {grace} s + start-up budget {budget} s)",
                "`pulumi up` would report a failure in the middle of a rollout that goes well",
                f"use more than {update}, or delete it (default: 600 + {update})",
            )
