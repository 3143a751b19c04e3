"""What a gateway controller makes of a Gateway and lets a stack decide, and the reasons that several of them share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from components.config.vocabulary import EnvoyLogLevel, Platform, Provider, ServiceType

ENVOY = {level: level.value for level in EnvoyLogLevel}
"""Envoy's own words."""

SHORT = {**ENVOY, EnvoyLogLevel.WARNING: "warn"}
"""Envoy's, as kgateway's chart writes them."""

REQUESTS, LIMITS = {"cpu": "100m", "memory": "128Mi"}, {"cpu": "2", "memory": "1Gi"}
"""Of a proxy, where a chart has them and it isn't istio's."""


@dataclass(frozen=True)
class Parameters:
    """The kind of object that configures a Gateway, under the Gateway's name."""

    api_version: str
    kind: str


@dataclass(frozen=True)
class Controller:
    """One gateway controller in the version that goes with a release."""

    class_name: str | None
    """`gatewayClassName` of its Gateways; None: it is no controller, and there is no Gateway."""
    internal_class: str | None = None
    """The same for `exposure: internal`, where that is another."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Labels that it looks for on a Gateway."""
    parameters: Parameters | None = None
    """What configures a Gateway; None: nothing does."""
    objects: Provider | None = None
    """Whose file in `components/gateways` declares what it needs beside Gateway and HTTPRoute; None: that is all."""
    bare_route: bool = False
    """Whether it takes no port and no timeouts in the HTTPRoute."""
    service_suffix: str | None = ""
    """What follows the Gateway's name in the name of the Service that it makes; None: it makes none."""
    service_type: ServiceType | None = None
    """Type that its Service always has, or is like; None: the stack chooses."""
    service_annotations: Mapping[str, str] = field(default_factory=dict)
    """Annotations of its Service, beside those of the stack."""
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


GOOGLES = {
    **dict.fromkeys(("exposure", "autopilot"), "it is about GKE's load balancers and clusters"),
    "request_timeout": "a request here has no time limit: the route says 0s",
}
"""Refused by all but gke."""

PROXIES = dict.fromkeys(("replicas", "image"), "its controller decides about the proxies, not the stack")
"""Refused by all that have a controller."""

NO_LOG = {**GOOGLES, **PROXIES, "access_logging": "the guide's charts have an access log for istio only"}
"""Refused by controllers that aren't istio."""

PARAMETERS = ("service_type", "service", "log_level", "cpu", "memory", "cpu_limit", "memory_limit")
"""Settings that a Gateway's parameters tell."""

BARE = {
    **NO_LOG,
    **dict.fromkeys(PARAMETERS, "the Gateway is bare: the guide's charts have no parameters for this controller"),
}
"""Refused where a controller is given Gateway and HTTPRoute, and nothing else."""
