"""Limits below requests, which the API server refuses, and shared memory that its own limit kills."""

from collections.abc import Iterator

from components.config.problem import Problem
from components.plan.context import Context
from components.plan.worker_args import ResolvedTier
from components.plan.workers import Tiers
from components.quantity import amount


def check(context: Context, tiers: Tiers) -> Iterator[Problem]:
    """Amounts that contradict each other, defaults included."""
    gateway, theirs = context.settings.gateway, context.provider
    for name, request, limit in (
        ("cpu", gateway.cpu, gateway.cpu_limit),
        ("memory", gateway.memory, gateway.memory_limit),
    ):
        yield from _limit(f"serving.gateway.{name}", request, limit, theirs.requests.get(name), theirs.limits.get(name))
    routing, chart = context.settings.routing, context.release.picker_resources
    yield from _limit("serving.routing.memory", routing.memory, routing.memory_limit, chart.memory, chart.memory_limit)
    for tier in tiers.values():
        yield from _shared_memory(context, tier)


def _limit(
    path: str, request: str | None, limit: str | None, usual: str | None, usual_limit: str | None
) -> Iterator[Problem]:
    """A request above its limit, whichever of the two was set."""
    least, most = request or usual, limit or usual_limit
    if least is None or most is None or amount(least) <= amount(most):
        return
    path_of_limit = f"{path}Limit"
    at, value = (path_of_limit, limit) if limit else (path, request)
    yield Problem(
        at,
        value,
        f"is below the request {least} ({path})" if limit else f"is above the limit {most} ({path_of_limit})",
        "the API server would refuse the pod: a request must not exceed its limit",
        f"raise {path_of_limit} to {least} or more, or lower {path} to {most} or less",
    )


def _shared_memory(context: Context, tier: ResolvedTier) -> Iterator[Problem]:
    given, path = context.tier(tier.role), f"serving.{tier.role}"
    memory, shared = tier.resources["memory"], tier.shm_size
    if amount(shared) <= amount(memory):
        return
    own = "shmSize" if given.shm_size else "memory"
    yield Problem(
        f"{path}.{own}",
        given.shm_size if given.shm_size else given.memory,
        f"makes /dev/shm ({shared}) larger than the pod's memory limit ({memory})",
        "shared memory counts as the pod's: the kernel would kill the worker long before /dev/shm is full",
        f"set {path}.memory well above {shared}, or {path}.shmSize below {memory}",
    )
