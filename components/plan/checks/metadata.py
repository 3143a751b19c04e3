"""Labels and annotations of the user under keys that the program itself sets."""

from collections.abc import Iterator, Mapping

from components.config.problem import Problem
from components.config.vocabulary import Role, ServiceType
from components.config.wording import path_of
from components.manifests import SKIP_AWAIT
from components.plan import fabric
from components.plan.context import Context
from components.plan.workers import Tiers


def check(context: Context) -> Iterator[Problem]:
    """Labels of a tier that the program itself sets."""
    settings = context.settings
    for role in Role:
        own = context.names.worker_labels(role, settings.accelerator.value, settings.model.name)
        for key, value in context.tier(role).labels.items():
            if key in own:
                yield Problem(
                    path_of([role.value, "labels", key]),
                    value,
                    "is set by the program itself",
                    "the InferencePool, the endpoint picker and the Deployment find the workers by this label",
                    f"delete it; its value is {own[key]}",
                )


def notes(context: Context, tiers: Tiers) -> Iterator[str]:
    """Annotations that replace those of the program, and annotations without effect."""
    gateway, provider = context.settings.gateway, context.provider
    for role, tier in tiers.items():
        own = fabric.annotations(context, tier.device)
        yield from _replaced([role.value, "annotations"], own, context.tier(role).annotations)
    service = ["gateway", "service", "annotations"]
    yield from _replaced(service, provider.service_annotations, gateway.service.annotations)
    if provider.own_proxies and not (gateway.awaited and gateway.service_type is ServiceType.LOAD_BALANCER):
        yield from _without_effect(service, gateway.service.annotations)
    if gateway.ingress:
        yield from _without_effect(["gateway", "ingress", "annotations"], gateway.ingress.annotations)


def _replaced(at: list[str], own: Mapping[str, str], given: Mapping[str, str]) -> Iterator[str]:
    for key in own:
        if given.get(key, own[key]) != own[key]:
            yield (
                f"{path_of([*at, key])} replaces the program's own value, {own[key].strip()}: the function of that "
                "value is lost unless this one contains it; delete this one if the replacement is not intended"
            )


def _without_effect(at: list[str], given: Mapping[str, str]) -> Iterator[str]:
    for key, value in SKIP_AWAIT.items():
        if given.get(key, value) != value:
            yield f"{path_of([*at, key])} has no effect: the program sets it to {value}; delete it"
