"""Limits below requests, which the API server refuses, and shared memory beyond the limit of the memory."""

from collections.abc import Iterator

from components.config.problem import Problem
from components.plan.context import Context
from components.plan.workers import Tiers
from components.quantity import amount


def check(context: Context) -> Iterator[Problem]:
    """Amounts that contradict each other, defaults included."""
    gateway, theirs = context.settings.gateway, context.provider
    for name, request, limit in (
        ("cpu", gateway.cpu, gateway.cpu_limit),
        ("memory", gateway.memory, gateway.memory_limit),
    ):
        yield from _limit(f"serving.gateway.{name}", request, limit, theirs.requests.get(name), theirs.limits.get(name))
    routing, chart = context.settings.routing, context.release.picker_resources
    yield from _limit("serving.routing.memory", routing.memory, routing.memory_limit, chart.memory, chart.memory_limit)


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


def notes(context: Context, tiers: Tiers) -> Iterator[str]:
    """Shared memory beyond the pod's memory: legal, and the kubelet caps it at the memory limit
    (kubernetes/enhancements#1967)."""
    for role, tier in tiers.items():
        memory, shared = tier.resources["memory"], tier.shm_size
        if amount(shared) > amount(memory):
            key = "shmSize" if context.tier(role).shm_size else "memory"
            yield (
                f"serving.{role}.{key}: /dev/shm ({shared}) is larger than the memory limit ({memory}), which counts "
                "what is in it: a worker that fills it is killed"
            )
