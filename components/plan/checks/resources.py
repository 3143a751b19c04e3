"""Resources that the API server refuses or that are set twice, and shared memory beyond the limit of the memory."""

from collections.abc import Iterator
from decimal import Decimal

from components.config.fields import HUGE_PAGES
from components.config.problem import Problem
from components.config.wording import path_of
from components.plan.context import Context
from components.plan.worker_args import ResolvedTier
from components.plan.workers import Tiers
from components.quantity import amount


def check(context: Context, tiers: Tiers) -> Iterator[Problem]:
    """Amounts that contradict each other, defaults included."""
    gateway, proxy = context.settings.gateway, context.provider
    for name, request, limit in (
        ("cpu", gateway.cpu, gateway.cpu_limit),
        ("memory", gateway.memory, gateway.memory_limit),
    ):
        yield from _limit(f"serving.gateway.{name}", request, limit, proxy.requests.get(name), proxy.limits.get(name))
    routing, chart = context.settings.routing, context.release.picker_resources
    yield from _limit("serving.routing.memory", routing.memory, routing.memory_limit, chart.memory, chart.memory_limit)
    for role, tier in tiers.items():
        given, path = context.tier(role), f"serving.{role}"
        for name, limit in (("cpu", given.cpu_limit), ("memory", given.memory_limit)):
            yield from _limit(f"{path}.{name}", tier.resources[name], limit, None, None)
        yield from _further(context, tier)


def _further(context: Context, tier: ResolvedTier) -> Iterator[Problem]:
    """Further resources that another setting is about, or in amounts that the API server refuses."""
    owners = {context.gpu_resource: f"serving.{tier.role}.tensorParallel, and serving.gpuResource its name"}
    if tier.device:
        owners[tier.device.resource] = "serving.rdma.count"
    for name, quantity in context.tier(tier.role).resources.items():
        path = path_of([tier.role.value, "resources", name])
        page = name.removeprefix(HUGE_PAGES) if name.startswith(HUGE_PAGES) else None
        whole = amount(page) if page else Decimal(1)
        if name in owners:
            yield Problem(
                path,
                quantity,
                f"is no further resource: {owners[name]} decides how many a pod has",
                "the pod would have two values for it",
                "delete it, and use that setting",
            )
        elif amount(quantity) % whole:
            yield Problem(
                path,
                quantity,
                "is no multiple of the page's size" if page else "is no whole number of devices",
                "the API server would refuse the pod",
                f"write a multiple of {page}" if page else "write a whole number",
            )


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
        given, memory, shared = context.tier(role), tier.limits["memory"], tier.shm_size
        if amount(shared) > amount(memory):
            key = "shmSize" if given.shm_size else "memoryLimit" if given.memory_limit else "memory"
            yield (
                f"serving.{role}.{key}: /dev/shm ({shared}) is larger than the memory limit ({memory}), which counts "
                "what is in it: a worker that fills it is killed"
            )
