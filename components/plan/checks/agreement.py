"""Tiers that cannot exchange KV blocks."""

from collections.abc import Iterator

from components.config.problem import Problem
from components.plan.agreement import differences
from components.plan.context import Context
from components.plan.workers import Tiers


def check(context: Context, tiers: Tiers) -> Iterator[Problem]:
    """Differences between the tiers that NIXL refuses whatever the model is."""
    for each in differences(context, tiers):
        if each.proven:
            yield Problem(
                each.path,
                each.value,
                each.wrong,
                each.refused,
                "give both tiers the same value",
            )
