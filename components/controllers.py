"""Floor 2: what gateway controllers make of a Gateway and let a stack decide, by provider and release.

Sources: llm-d infra charts v1.3.6 (release 0.4) and v1.4.0 (release 0.6). Their default type of the Service differs by
provider (v1.4.0: LoadBalancer for agentgateway); here it is ClusterIP wherever it can be chosen: what answers the whole
world, without a login, is said in the stack file.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from components.config.vocabulary import EnvoyLogLevel, Platform, Provider, ReleaseName, ServiceType

ENVOY = {level: level.value for level in EnvoyLogLevel}
"""Envoy's own words."""

SHORT = {**ENVOY, EnvoyLogLevel.WARNING: "warn"}
"""Envoy's, as kgateway's chart writes them."""

RUST: Mapping[EnvoyLogLevel, str] = {
    level: word for level, word in SHORT.items() if level is not EnvoyLogLevel.CRITICAL
}
"""agentgateway isn't Envoy; it knows no critical."""

COLLECTORS = {False: "gmp-system", True: "gke-gmp-system"}
"""Namespace of Google's metrics collector, by whether the cluster is an Autopilot one."""


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
    health_checks: Sequence[str] = ()
    """Where its load balancer asks from whether pods are healthy, as CIDR."""
    log_levels: Mapping[EnvoyLogLevel, str] = field(default_factory=dict)
    """How it spells the levels that it knows."""
    log_level: EnvoyLogLevel = EnvoyLogLevel.WARNING
    """Default level (chart)."""
    requests: Mapping[str, str] = field(default_factory=dict)
    """Default resource requests of its proxy (chart)."""
    limits: Mapping[str, str] = field(default_factory=dict)
    """Default resource limits of its proxy (chart)."""
    missing: str | None = None
    """Why the release's guide does not have it, if it has not."""
    note: str | None = None
    """What whoever chooses it should know."""
    access_logging: bool = False
    """Whether its proxy logs every request unless told."""
    refused: Mapping[str, str] = field(default_factory=dict)
    """Settings of the gateway that it cannot honour, by field, each with the reason."""


_GOOGLES = {
    **dict.fromkeys(("exposure", "autopilot"), "it is about GKE's load balancers and clusters"),
    "request_timeout": "a request here has no time limit: the route says 0s",
}
_OWN = dict.fromkeys(("replicas", "image"), "its controller decides about the proxies, not the stack")
_NO_LOG = {**_GOOGLES, **_OWN, "access_logging": "the guide's charts have an access log for istio only"}
_REQUESTS, _LIMITS = {"cpu": "100m", "memory": "128Mi"}, {"cpu": "2", "memory": "1Gi"}

_ISTIO = Controller(
    refused={**_GOOGLES, **_OWN},
    service_suffix="-istio",
    log_levels=ENVOY,
    log_level=EnvoyLogLevel.ERROR,
    requests={"cpu": "4", "memory": "4Gi"},
    limits={"cpu": "16", "memory": "16Gi"},
)
_DATA_SCIENCE = replace(_ISTIO, service_suffix="-data-science-gateway-class", platform=Platform.OPENSHIFT)
_KGATEWAY = Controller(
    log_levels=SHORT,
    requests=_REQUESTS,
    limits=_LIMITS,
    refused={**_NO_LOG, "service.load_balancer_class": "the guide's GatewayParameters have no field for it"},
)
_AGENTGATEWAY = Controller(log_levels=RUST, requests=_REQUESTS, limits=_LIMITS, refused=_NO_LOG)
_BARE = dict.fromkeys(
    ("service_type", "service", "log_level", "cpu", "memory", "cpu_limit", "memory_limit"),
    "the Gateway is bare: the guide's charts have no parameters for this controller",
)
_BARE_AGENTGATEWAY = Controller(service_type=ServiceType.LOAD_BALANCER, refused={**_NO_LOG, **_BARE})
_BY_RELEASE: Mapping[tuple[Provider, ReleaseName], Controller] = {
    (Provider.KGATEWAY, ReleaseName.V0_4): _KGATEWAY,
    (Provider.KGATEWAY, ReleaseName.V0_6): replace(
        _AGENTGATEWAY,
        note="is deprecated in the guide: what it makes there is the Gateway of provider agentgateway, so say that",
    ),
    (Provider.AGENTGATEWAY, ReleaseName.V0_4): _BARE_AGENTGATEWAY,
    (Provider.AGENTGATEWAY, ReleaseName.V0_6): _AGENTGATEWAY,
    (Provider.DATA_SCIENCE, ReleaseName.V0_4): replace(
        _DATA_SCIENCE, missing="the guide's infra chart has that class since v1.4.0, of release 0.6"
    ),
    (Provider.DATA_SCIENCE, ReleaseName.V0_6): _DATA_SCIENCE,
}
_GKE = Controller(
    service_suffix=None,
    service_type=ServiceType.LOAD_BALANCER,
    platform=Platform.GKE,
    google=True,
    health_checks=("35.191.0.0/16", "130.211.0.0/22"),
    refused={
        **dict.fromkeys((*_BARE, *_OWN), "Google runs the load balancer, outside the cluster"),
        "ingress": "there is no Service that an Ingress could lead to",
        "access_logging": "its GCPBackendPolicy always logs, as the guide's",
    },
)
_NO_ROUTES = dict.fromkeys(
    ("existing", "route"), "its Envoy has no routes and serves this stack alone: without a Gateway nothing is shared"
)
_NO_LISTENERS = dict.fromkeys(("tls", "http"), "its Envoy has one listener, which speaks plain HTTP")
_STANDALONE = Controller(
    log_levels=ENVOY,
    requests=_REQUESTS,
    limits=_LIMITS,
    access_logging=True,
    refused={**_GOOGLES, **_NO_ROUTES, **_NO_LISTENERS},
)
"""No controller, but an Envoy with the resources of kgateway's."""
_ALWAYS: Mapping[Provider, Controller] = {
    Provider.ISTIO: _ISTIO,
    Provider.GKE: _GKE,
    Provider.STANDALONE: _STANDALONE,
}


def controller(provider: Provider, release: ReleaseName) -> Controller:
    """What the provider's controller is in a release."""
    return _ALWAYS.get(provider) or _BY_RELEASE[provider, release]


def honouring(setting: str, release: ReleaseName) -> list[Provider]:
    """Providers that honour a setting of the gateway, by its field."""
    every = {each: controller(each, release) for each in Provider}
    return [name for name, each in every.items() if setting not in each.refused and each.missing is None]


def elsewhere(platform: Platform, release: ReleaseName) -> list[Provider]:
    """Providers that a cluster of that platform can have."""
    every = {each: controller(each, release) for each in Provider}
    return [name for name, each in every.items() if each.platform in (None, platform) and each.missing is None]
