"""Arguments of the model gateway."""

from components.config.vocabulary import Exposure, Provider, ReleaseName, ServiceType
from components.plan.args import Args


class ExistingArgs(Args):
    """Somebody else's Gateway."""

    name: str
    """The Gateway."""
    namespace: str
    """Its namespace."""
    listener: str | None = None
    """Its listener; None: every one that takes the route."""


class RouteArgs(Args):
    """The HTTPRoute: which requests are the pool's."""

    name: str
    """HTTPRoute."""
    hostnames: list[str] = []
    """Host names; none: every one."""
    path: str = "/"
    """Prefix of the path, taken off."""
    headers: dict[str, str] = {}
    """Headers with exact values."""


class ModelGatewayArgs(Args):
    """The Gateway, its route to the pool and what the provider needs besides."""

    namespace: str
    """Where."""
    name: str
    """Gateway and its parameters."""
    existing: ExistingArgs | None = None
    """Somebody else's Gateway instead."""
    route: RouteArgs
    """HTTPRoute."""
    labels: dict[str, str]
    """Labels of every object."""
    provider: Provider
    """The gateway controller."""
    release: ReleaseName
    """llm-d release: the controller's version goes with it."""
    awaited: bool
    """Wait until it has programmed the Gateway."""
    service_type: ServiceType
    """Type of the gateway's Service."""
    log_level: str | None = None
    """Log level of the proxy, as its controller spells it; None: the controller takes none."""
    access_logging: bool
    """Log every request."""
    requests: dict[str, str]
    """Resource requests of the proxy."""
    limits: dict[str, str]
    """Resource limits of the proxy."""
    pool: str
    """InferencePool that serves the requests."""
    pool_port: int
    """Its target port."""
    picker: str
    """Service of the endpoint picker."""
    picker_selector: dict[str, str]
    """Labels of the picker's pods."""
    exposure: Exposure
    """Which of GKE's load balancers."""
    autopilot: bool
    """Whether the GKE cluster is an Autopilot one."""
    metrics_interval: str | None = None
    """How often the picker's metrics are read where the provider has a monitoring of its own; None: never."""
