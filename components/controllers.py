"""Floor 2: what gateway controllers make of a Gateway and let a stack decide, by provider and release.

Sources: llm-d infra charts v1.3.6 (release 0.4) and v1.4.0 (release 0.6). Their default type of the Service differs by
provider (v1.4.0: LoadBalancer for agentgateway); here it is ClusterIP wherever it can be chosen: what answers the whole
world, without a login, is said in the stack file.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from components.config.vocabulary import EnvoyLogLevel, Platform, Provider, ReleaseName, ServiceType

ENVOY = {level: level.value for level in EnvoyLogLevel}
"""Envoy's own words."""

SHORT = {**ENVOY, EnvoyLogLevel.WARNING: "warn"}
"""Envoy's, as kgateway's chart writes them."""

RUST: Mapping[EnvoyLogLevel, str] = {
    level: word for level, word in SHORT.items() if level is not EnvoyLogLevel.CRITICAL
}
"""agentgateway isn't Envoy; it knows no critical."""


@dataclass(frozen=True)
class Controller:
    """One gateway controller in the version that goes with a release."""

    service_suffix: str | None = ""
    """What follows the Gateway's name in the name of the Service that it makes; None: it makes none."""
    service_type: ServiceType | None = None
    """Type that its Service always has, or is like; None: the stack chooses."""
    platform: Platform | None = None
    """Whose Kubernetes alone has it; None: anybody's can."""
    google: bool = False
    """Whether Google's managed Prometheus reads the metrics, not the Prometheus operator."""
    log_levels: Mapping[EnvoyLogLevel, str] = field(default_factory=dict)
    """How it spells the levels that it knows."""
    log_level: EnvoyLogLevel = EnvoyLogLevel.WARNING
    """Default level (chart)."""
    requests: Mapping[str, str] = field(default_factory=dict)
    """Default resource requests of its proxy (chart)."""
    limits: Mapping[str, str] = field(default_factory=dict)
    """Default resource limits of its proxy (chart)."""
    refused: Mapping[str, str] = field(default_factory=dict)
    """Settings of the gateway that it cannot honour, by field, each with the reason."""


_GOOGLES = dict.fromkeys(("exposure", "autopilot"), "it is about GKE's load balancers and clusters")
_NO_LOG = {**_GOOGLES, "access_logging": "the guide's charts have an access log for istio only"}
_REQUESTS, _LIMITS = {"cpu": "100m", "memory": "128Mi"}, {"cpu": "2", "memory": "1Gi"}

_ISTIO = Controller(
    refused=_GOOGLES,
    service_suffix="-istio",
    log_levels=ENVOY,
    log_level=EnvoyLogLevel.ERROR,
    requests={"cpu": "4", "memory": "4Gi"},
    limits={"cpu": "16", "memory": "16Gi"},
)
_KGATEWAY = Controller(log_levels=SHORT, requests=_REQUESTS, limits=_LIMITS, refused=_NO_LOG)
_AGENTGATEWAY = Controller(log_levels=RUST, requests=_REQUESTS, limits=_LIMITS, refused=_NO_LOG)
_BARE = dict.fromkeys(
    ("service_type", "log_level", "cpu", "memory", "cpu_limit", "memory_limit"),
    "the Gateway is bare: the guide's charts have no parameters for this controller",
)
_BARE_AGENTGATEWAY = Controller(service_type=ServiceType.LOAD_BALANCER, refused={**_NO_LOG, **_BARE})
_BY_RELEASE: Mapping[tuple[Provider, ReleaseName], Controller] = {
    (Provider.KGATEWAY, ReleaseName.V0_4): _KGATEWAY,
    (Provider.KGATEWAY, ReleaseName.V0_6): _AGENTGATEWAY,
    (Provider.AGENTGATEWAY, ReleaseName.V0_4): _BARE_AGENTGATEWAY,
    (Provider.AGENTGATEWAY, ReleaseName.V0_6): _AGENTGATEWAY,
}
_GKE = Controller(
    service_suffix=None,
    service_type=ServiceType.LOAD_BALANCER,
    platform=Platform.GKE,
    google=True,
    refused={
        **dict.fromkeys(_BARE, "Google runs the load balancer, outside the cluster"),
        "access_logging": "its GCPBackendPolicy always logs, as the guide's",
    },
)
_ALWAYS: Mapping[Provider, Controller] = {Provider.ISTIO: _ISTIO, Provider.GKE: _GKE}


def controller(provider: Provider, release: ReleaseName) -> Controller:
    """What the provider's controller is in a release."""
    return _ALWAYS.get(provider) or _BY_RELEASE[provider, release]


def honouring(setting: str, release: ReleaseName) -> list[Provider]:
    """Providers that honour a setting of the gateway, by its field."""
    return [each for each in Provider if setting not in controller(each, release).refused]


def elsewhere(platform: Platform, release: ReleaseName) -> list[Provider]:
    """Providers that a cluster of that platform can have."""
    return [each for each in Provider if controller(each, release).platform in (None, platform)]
