"""Floor 5: what gateway providers need beside the Gateway API's objects; one file each, named as in the vocabulary.

A provider that needs nothing has none, and only the chosen one's is read. `standalone` has no controller, and declares
what stands in for those objects.
"""

from functools import cache
from importlib import import_module

from components.config.vocabulary import Provider
from components.gateways.provider import GatewayProvider


@cache
def objects_of(provider: Provider | None) -> GatewayProvider:
    """What declares a provider's objects; None: of none, where Gateway and HTTPRoute are all."""
    if provider is None:
        return GatewayProvider()
    chosen = import_module(f"{__name__}.{provider.replace('-', '_')}").PROVIDER
    assert isinstance(chosen, GatewayProvider)
    return chosen


__all__ = ["GatewayProvider", "objects_of"]
