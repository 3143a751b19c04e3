"""Settings of the model gateway: where requests come in."""

from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field

from components.config.fields import (
    Count,
    DnsLabel,
    EnvValue,
    LabelKey,
    LabelValue,
    ObjectName,
    Port,
    Quantity,
    Seconds,
    wrong,
)
from components.config.strict import Strict
from components.config.vocabulary import EnvoyLogLevel, Exposure, Provider, ServiceType

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SEGMENT = "[A-Za-z0-9_~-][A-Za-z0-9._~-]*"
HostName = Annotated[str, Field(pattern=rf"^(\*\.)?{_LABEL}(\.{_LABEL})*$")]
"""As the Gateway API takes it; `*.` in front stands for every name below."""
HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")]
"""As the Gateway API takes it (`HTTPHeaderName`)."""


URL = r"^https?://[^/?#\s]+$"


def _url(value: Any) -> Any:
    """What the pattern cannot see: whether the port is one."""
    try:
        port = urlsplit(value).port if isinstance(value, str) else None
    except ValueError:
        port = 0
    if port == 0:
        raise wrong("has no port that could be one", "clients would reach nothing there", "use a port from 1 to 65535")
    return value


class Existing(Strict):
    """A Gateway that this stack does not make; the stack attaches its route to it."""

    name: ObjectName
    """The Gateway."""
    namespace: DnsLabel | None = None
    """Its namespace, which its listener must let routes of other namespaces in from; default: the stack's."""
    listener: ObjectName | None = None
    """Name of its listener (`sectionName`); unset: every one that takes the route."""
    url: Annotated[str | None, BeforeValidator(_url)] = Field(default=None, pattern=URL)
    """Where clients reach it, for the outputs, such as https://models.example.com; unset: by a port-forward to port 80
    of the Service that its controller makes."""


class Route(Strict):
    """Which of the Gateway's requests are this stack's: those that fit all of it; unset: all requests."""

    hostnames: list[HostName] = []
    """Host names, any of which a request asks for; `*.example.com` is every name below."""
    path: str = Field(default="/", pattern=f"^/({_SEGMENT}(/{_SEGMENT})*)?$")
    """Prefix of the path, such as /llama, taken off before a worker sees the request: clients' base URL is then
    `…/llama/v1`."""
    headers: dict[HeaderName, Annotated[str, Field(pattern=r"^\S(.*\S)?$")]] = {}
    """Headers that a request carries, each with exactly this value."""


class Certificate(Strict):
    """A Secret of type kubernetes.io/tls."""

    name: ObjectName
    """The Secret."""
    namespace: DnsLabel | None = None
    """Its namespace, where whoever has the Secret lets this stack's Gateways refer to it by a ReferenceGrant; default:
    the stack's, where none is needed."""


class Tls(Strict):
    """A listener that speaks HTTPS."""

    certificate_refs: list[Certificate] = Field(min_length=1)
    """Secrets with the certificates of the HTTPS listener."""
    port: Port = 443
    """Its port."""


class ServicePort(Strict):
    """A port of the gateway's Service."""

    port: Port
    """The listener's."""
    node_port: Port
    """The same on every node, instead of one that Kubernetes chooses."""


class GatewayService(Strict):
    """What the gateway's Service has besides its type."""

    annotations: dict[LabelKey, EnvValue] = {}
    """Annotations, such as those that a cloud's load balancer reads."""
    load_balancer_class: LabelKey | None = None
    """Which of the cluster's load balancers, for `serviceType: LoadBalancer`."""
    ports: list[ServicePort] = []
    """Ports on the nodes, for `serviceType: NodePort` or `LoadBalancer`."""


class Ingress(Strict):
    """An Ingress that leads to the gateway's Service, for clusters with an Ingress controller."""

    host: HostName
    """Host name that clients ask for."""
    class_name: ObjectName | None = None
    """IngressClass; unset: the cluster's default."""
    annotations: dict[LabelKey, EnvValue] = {}
    """Annotations that its controller reads, such as a time-out that long answers need."""
    tls_secret: ObjectName | None = None
    """Secret of type kubernetes.io/tls for the host; unset: plain HTTP."""


class Gateway(Strict):
    """The model gateway: where requests come in."""

    provider: Provider = Provider.ISTIO
    """The cluster's gateway controller; `standalone` needs none and runs an Envoy of its own."""
    existing: Existing | None = None
    """A Gateway that is there, instead of one of this stack's."""
    route: Route = Route.model_construct()
    """Which requests are this stack's."""
    labels: dict[LabelKey, LabelValue] = {}
    """Further labels of the Gateway, such as `istio.io/rev` where istio runs under a revision."""
    http: bool = True
    """The plain listener on port 80; `false` leaves that of `tls` alone."""
    tls: Tls | None = None
    """A listener for HTTPS; unset: none."""
    service: GatewayService = GatewayService.model_construct()
    """More of the gateway's Service."""
    ingress: Ingress | None = None
    """An Ingress in front of it; unset: none (infra chart: off)."""
    request_timeout: Seconds | None = None
    """gke only: seconds after which the load balancer ends a request (GCPBackendPolicy); default: what the longest
    answer takes, `model.maxModelLen` tokens at 20 a second, and at least the chart's 300."""
    awaited: bool = Field(default=True, alias="await")
    """Let `pulumi up` wait until the controller reports the Gateway as Programmed (at most 10 minutes), so that its
    address is among the outputs. Programmed says that the Service and its address are there, and nothing about the
    proxy's pods: `python -m verify` proves that requests are answered. standalone: wait until Envoy is Ready. Switch it
    off where the controller comes later, or nothing gives a LoadBalancer an address."""
    termination_grace: Seconds | None = Field(default=None, le=3600)
    """Seconds that a replaced proxy has for the streams that it carries; a longer stream is cut. A proxy without
    connections ends at once. Default: decode's termination grace, at most 600; kgateway: kgateway's own 10 s, because
    its proxies take the whole time whether busy or not. gke, and agentgateway of release 0.4: not settable."""
    idle_timeout: Seconds | None = Field(default=None, le=3600)
    """istio, data-science-gateway and standalone: seconds after which the proxy closes a client's idle connection; an
    idle connection keeps a replaced istio proxy alive for so long, and 7 s more. Behind a load balancer that speaks
    HTTP it must exceed the load balancer's own keep-alive (AWS ALB 60, Google 600), or clients see 502. Default: 5, as
    vLLM's own server; 660 with `ingress`."""
    service_type: ServiceType = ServiceType.CLUSTER_IP
    """Type of the gateway's Service (infra chart ≥ 1.3.3: ClusterIP)."""
    exposure: Exposure = Exposure.EXTERNAL
    """gke only: a load balancer for the internet, or one for the VPC."""
    autopilot: bool = False
    """gke only: an Autopilot cluster; its metrics collector is in another namespace."""
    log_level: EnvoyLogLevel | None = None
    """Log level of the gateway's proxy; default: the guide's (istio error, others warning)."""
    access_logging: bool | None = None
    """Log every request; istio (default off, as the guide) and standalone (default on)."""
    replicas: Count = 1
    """standalone only: Envoys."""
    image: str | None = Field(default=None, pattern=r"^\S+$")
    """standalone only: Envoy's image, which needs bash; default: docker.io/envoyproxy/envoy:v1.40.0."""
    cpu: Quantity | None = None
    """CPU request; default: the guide's (istio 4, others 100m)."""
    memory: Quantity | None = None
    """Memory request; default: the guide's (istio 4Gi, others 128Mi)."""
    cpu_limit: Quantity | None = None
    """CPU limit; default: the guide's (istio 16, others 2)."""
    memory_limit: Quantity | None = None
    """Memory limit; default: the guide's (istio 16Gi, others 1Gi)."""
