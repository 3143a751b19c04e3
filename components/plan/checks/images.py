"""Where default images come from, and images of the user's that are known to fail."""

from collections.abc import Iterator

from components.config.vocabulary import Role
from components.gateways import PROVIDERS
from components.plan import fabric
from components.plan.context import Context, below
from components.plan.gateway import ENVOY
from components.releases.vllm import FAILING, copied


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
