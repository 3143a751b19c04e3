"""Floor 3: every decision and every cross-check, before the first resource. Pure: same settings, same plan."""

from components.plan.check import check
from components.plan.resolve import resolve
from components.plan.serving_plan import ServingPlan

__all__ = ["ServingPlan", "check", "resolve"]
