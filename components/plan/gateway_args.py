"""Arguments of the model gateway."""

from components.config.vocabulary import FailureMode, Provider, ServiceType
from components.plan.args import Args, ImageArgs


class StandaloneArgs(Args):
    """An Envoy of our own, where there is no gateway controller."""

    image: ImageArgs
    """Envoy's image, with bash."""
    replicas: int
    """Envoys."""
    selector: dict[str, str]
    """Labels that select its pods."""
    termination_grace: int
    """Seconds that an Envoy which is replaced has for requests under way."""
    failure_mode: FailureMode
    """While the picker does not answer."""
    workers: str
    """Headless Service of the pool's pods."""
    worker_selector: dict[str, str]
    """Labels of the pool's pods."""


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
    bare: bool = False
    """Without port and time-outs, which the controller would refuse."""


class ParametersArgs(Args):
    """The kind of object that configures a Gateway."""

    api_version: str
    """Group and version."""
    kind: str
    """Kind."""

    @property
    def group(self) -> str:
        """API group; empty for the core."""
        return self.api_version.rpartition("/")[0]


class CertificateArgs(Args):
    """A Secret with a certificate."""

    name: str
    """The Secret."""
    namespace: str | None = None
    """Its namespace; None: the Gateway's."""


class ListenerArgs(Args):
    """A listener of the Gateway."""

    name: str
    """Its name."""
    port: int
    """Its port."""
    certificates: list[CertificateArgs] = []
    """With which it speaks HTTPS; none: HTTP."""


class ServiceArgs(Args):
    """The gateway's Service, besides its type."""

    annotations: dict[str, str] = {}
    """Annotations."""
    load_balancer_class: str | None = None
    """Which load balancer."""
    node_ports: dict[str, int] = {}
    """Port on the nodes by port."""


class IngressArgs(Args):
    """An Ingress in front of the gateway's Service."""

    host: str
    """Host name."""
    service: str
    """The gateway's Service."""
    class_name: str | None = None
    """IngressClass."""
    annotations: dict[str, str] = {}
    """Annotations."""
    tls_secret: str | None = None
    """Secret with the host's certificate."""


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
    listeners: list[ListenerArgs]
    """Of a Gateway of the stack's own."""
    service: ServiceArgs
    """Its Service, besides the type."""
    ingress: IngressArgs | None = None
    """In front of it."""
    request_timeout: int
    """Seconds after which a load balancer that wants a limit ends a request."""
    labels: dict[str, str]
    """Labels of every object."""
    provider: Provider
    """The gateway controller."""
    class_name: str | None
    """GatewayClass; None: there is no Gateway."""
    gateway_labels: dict[str, str] = {}
    """Labels that the controller looks for on a Gateway."""
    parameters: ParametersArgs | None = None
    """What configures the Gateway, under its name; None: nothing does."""
    objects: Provider | None = None
    """The provider whose objects are declared beside Gateway and HTTPRoute; None: none are."""
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
    autopilot: bool
    """Whether the GKE cluster is an Autopilot one."""
    metrics_interval: str | None = None
    """How often the picker's metrics are read where the provider has a monitoring of its own; None: never."""
    standalone: StandaloneArgs | None = None
    """The Envoy of our own, if there is no controller."""
