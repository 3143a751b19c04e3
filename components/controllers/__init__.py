"""Floor 2: gateway controllers as data, one file each, named as the word in the vocabulary with `_` for `-`.

A new one is that file and that word. Only the chosen file is read, and the others for a refusal that names them.
Sources: llm-d infra charts v1.3.6 (release 0.4) and v1.4.0 (release 0.6). Their default type of the Service differs by
provider (v1.4.0: LoadBalancer for agentgateway); here it is ClusterIP wherever it can be chosen: what answers the whole
world, without a login, is said in the stack file.
"""

from collections.abc import Iterator
from functools import cache
from importlib import import_module

from components.config.vocabulary import Platform, Provider, ReleaseName
from components.controllers.profile import Controller


@cache
def controller(provider: Provider, release: ReleaseName) -> Controller:
    """What the provider's controller is in a release."""
    chosen = import_module(f"{__name__}.{provider.replace('-', '_')}").CONTROLLERS[release]
    assert isinstance(chosen, Controller)
    return chosen


def honouring(setting: str, release: ReleaseName) -> list[Provider]:
    """Providers that honour a setting of the gateway, by its field."""
    return [provider for provider, each in _there(release) if setting not in each.refused]


def elsewhere(platform: Platform, release: ReleaseName) -> list[Provider]:
    """Providers that a cluster of that platform can have."""
    return [provider for provider, each in _there(release) if each.platform in (None, platform)]


def _there(release: ReleaseName) -> Iterator[tuple[Provider, Controller]]:
    """Every provider that a release has."""
    every = ((provider, controller(provider, release)) for provider in Provider)
    return ((provider, each) for provider, each in every if each.missing is None)


__all__ = ["Controller", "controller", "elsewhere", "honouring"]
