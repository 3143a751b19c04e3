"""Layer 4: every decision and every cross-check, before the first resource. The same settings give the same plan.

Nothing here makes a resource, and `Context` is not used outside.
"""

from components.plan.check import check
from components.plan.resolve import resolve
from components.plan.serving_plan import ServingPlan

__all__ = ["ServingPlan", "check", "resolve"]
