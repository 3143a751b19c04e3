"""Layer 3: one file for each gateway provider, and the table of them. No other part knows a provider by its name.

A file holds all that is known about one provider: class names per release, objects, refusals with their reasons, and
what its controller does. `standalone` has no controller: its objects are an Envoy of the stack. A new provider is a
file, its entry in `PROVIDERS`, and its word in `components/config/vocabulary.py`.
"""

from collections.abc import Mapping, Sequence

from components.config.gateway import Gateway
from components.config.vocabulary import Platform, Provider, ReleaseName
from components.gateways import (
    agentgateway,
    asking,
    data_science_gateway,
    gateway_api,
    gke,
    istio,
    kgateway,
    standalone,
)
from components.gateways.args import ModelGatewayArgs
from components.gateways.provider import GatewayProvider
from components.manifests import Manifest, Stage

PROVIDERS: Mapping[Provider, Mapping[ReleaseName, GatewayProvider]] = {
    Provider.ISTIO: istio.RELEASES,
    Provider.KGATEWAY: kgateway.RELEASES,
    Provider.AGENTGATEWAY: agentgateway.RELEASES,
    Provider.GKE: gke.RELEASES,
    Provider.DATA_SCIENCE: data_science_gateway.RELEASES,
    Provider.STANDALONE: standalone.RELEASES,
}


def chosen(gateway: Gateway, release: ReleaseName) -> GatewayProvider:
    """The provider that the settings choose."""
    return PROVIDERS[gateway.provider][release]


def of(args: ModelGatewayArgs) -> GatewayProvider:
    """The provider of a model gateway."""
    return PROVIDERS[args.provider][args.release]


def objects(args: ModelGatewayArgs, stage: Stage | None = None) -> Sequence[Manifest]:
    """The objects of a model gateway that are made in a stage, those first that others wait for; None: all of them."""
    return [each for each in _objects(args) if stage in (None, each.stage)]


def _objects(args: ModelGatewayArgs) -> Sequence[Manifest]:
    provider = of(args)
    api = gateway_api.objects(provider, args) if provider.class_name else []
    own = [] if args.existing else provider.configure(args)
    ingress = [gateway_api.ingress(args, args.ingress)] if args.ingress else []
    settle = [asking.settle(provider, args, args.settle)] if args.beside and args.settle else []
    tried = asking.trial(provider, args, args.trying) if args.beside and args.trying else []
    return [*api, *own, *provider.connect(args), *ingress, *tried, *settle]


def honouring(setting: str, release: ReleaseName) -> list[Provider]:
    """Providers of a release that accept a setting of the gateway; `setting` is the name of its field."""
    return [each.word for each in available(release) if setting not in each.refused]


def on(platform: Platform, release: ReleaseName) -> list[Provider]:
    """Providers of a release that a cluster of the platform can have."""
    return [each.word for each in available(release) if each.platform in (None, platform)]


def available(release: ReleaseName) -> list[GatewayProvider]:
    """Every provider that the guide of a release has."""
    return [each for releases in PROVIDERS.values() if (each := releases[release]).missing is None]


__all__ = ["PROVIDERS", "GatewayProvider", "available", "chosen", "honouring", "objects", "of", "on"]
