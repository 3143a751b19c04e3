"""Settings that the programs of a release do not have, and what is known of images beside the release's."""

from collections.abc import Iterator, Mapping
from typing import Any

from components.config.problem import Problem
from components.config.vocabulary import Role
from components.gateways import PROVIDERS
from components.plan import fabric
from components.plan.context import Context, below
from components.plan.gateway import ENVOY
from components.releases.vllm import FAILING, copied


def check(context: Context) -> Iterator[Problem]:
    """Settings that the release lacks, with the reason from its file; `path=value` is about one value only."""
    given = context.settings.model_dump(by_alias=True, mode="json", exclude_unset=True)
    for key, reason in context.release.lacks.items():
        path, _, only = key.partition("=")
        if only and context.own_images:  # what images of the user's know is not known
            continue
        tiers = [f"{role}.{path}" for role in Role] if path.startswith("kvTransfer.") else []
        for at in (path, *tiers):
            value = _value(given, at)
            if value == only if only else not (value is None or value is False):
                yield Problem(
                    f"serving.{at}",
                    value,
                    f"is not for release {context.release.name}: {reason}",
                    "a program would end at start because of an unknown word, or ignore it silently",
                    "leave it out, or choose a newer serving.release",
                )


def _value(given: Mapping[str, Any], path: str) -> Any:
    value: Any = given
    for key in path.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def notes(context: Context) -> Iterator[str]:
    """Mirrors of registries that no image comes from; images that crash-loop in P/D pods."""
    release = context.release
    for role in Role:
        image = context.tier(role).image or ""
        if reason := next((why for name, why in FAILING.items() if copied(image).endswith(name)), None):
            yield f"serving.{role}.image: {reason}"
    names = {fabric.image(context).name, release.picker_image, release.sidecar_image, ENVOY}
    names |= {each.registry for one in PROVIDERS.values() for each in one.values() if each.registry}
    for registry in context.settings.images.mirrors:
        if not any(below(registry, name) for name in names):
            yield (
                f"serving.images.mirrors.{registry}: no image that this program names comes from there, but from "
                f"{', '.join(sorted({name.partition('/')[0] for name in names}))}. Images of your own are taken as "
                "written, and the proxies of istio, OpenShift and Google come from where their controllers say"
            )
