"""Where default images come from."""

from collections.abc import Iterator

from components.gateways import PROVIDERS
from components.plan import fabric
from components.plan.context import Context, below
from components.plan.gateway import ENVOY


def notes(context: Context) -> Iterator[str]:
    """Mirrors of registries that no image comes from."""
    release = context.release
    names = {fabric.image(context).name, release.picker_image, release.sidecar_image, ENVOY}
    names |= {each.registry for one in PROVIDERS.values() for each in one.values() if each.registry}
    for registry in context.settings.images.mirrors:
        if not any(below(registry, name) for name in names):
            yield (
                f"serving.images.mirrors.{registry}: no image that this program names comes from there, but from "
                f"{', '.join(sorted({name.partition('/')[0] for name in names}))}. Images of your own are taken as "
                "written, and the proxies of istio, OpenShift and Google come from where their controllers say"
            )
