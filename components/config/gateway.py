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
"""A host name in the form of the Gateway API; `*.` at the beginning stands for every subdomain."""
HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")]
"""A header name in the form of the Gateway API (`HTTPHeaderName`)."""


URL = r"^https?://[^/?#\s]+$"


def _url(value: Any) -> Any:
    """Refuse a URL with a port that is no number from 1 to 65535, which the pattern does not check."""
    try:
        port = urlsplit(value).port if isinstance(value, str) else None
    except ValueError:
        port = 0
    if port == 0:
        raise wrong(
            "has a port that is no number from 1 to 65535",
            "clients would reach nothing there",
            "use a port from 1 to 65535",
        )
    return value


class Existing(Strict):
    """A Gateway that this stack does not make; the stack attaches its route to it."""

    name: ObjectName
    """The Gateway."""
    namespace: DnsLabel | None = None
    """Namespace of the Gateway; default: the stack's. In another namespace, the Gateway's listener must allow routes of
    the stack's namespace."""
    listener: ObjectName | None = None
    """Name of the Gateway's listener (`sectionName`); unset: every listener that allows the route."""
    url: Annotated[str | None, BeforeValidator(_url)] = Field(default=None, pattern=URL)
    """URL of the Gateway for clients, for the stack outputs, such as https://models.example.com; unset: a port-forward
    to port 80 of the Service that the Gateway's controller makes."""


class Route(Strict):
    """Which requests of the Gateway this stack serves: those that match every field below; unset: all requests."""

    hostnames: list[HostName] = []
    """Host names of requests; one of them must match. `*.example.com` is every name below."""
    path: str = Field(default="/", pattern=f"^/({_SEGMENT}(/{_SEGMENT})*)?$")
    """Prefix of the path, such as /llama. The gateway removes it before a worker gets the request. The base URL of
    clients is then `…/llama/v1`."""
    headers: dict[HeaderName, Annotated[str, Field(pattern=r"^\S(.*\S)?$")]] = {}
    """Headers that a request must have, each with exactly this value."""


class Certificate(Strict):
    """A Secret of type kubernetes.io/tls."""

    name: ObjectName
    """The Secret."""
    namespace: DnsLabel | None = None
    """Namespace of the Secret; default: the stack's. In another namespace, a ReferenceGrant of the Secret's owner must
    allow Gateways of the stack's namespace to use the Secret."""


class Tls(Strict):
    """The HTTPS listener of the Gateway."""

    certificate_refs: list[Certificate] = Field(min_length=1)
    """Secrets with the certificates of the HTTPS listener."""
    port: Port = 443
    """Port of the HTTPS listener."""


class ServicePort(Strict):
    """A port of the gateway's Service."""

    port: Port
    """Port of the listener."""
    node_port: Port
    """Port on every node, instead of a port that Kubernetes chooses."""


class GatewayService(Strict):
    """The gateway's Service: annotations, load balancer class and node ports."""

    annotations: dict[LabelKey, EnvValue] = {}
    """Annotations, such as those that a cloud's load balancer reads."""
    load_balancer_class: LabelKey | None = None
    """`loadBalancerClass` of the Service, for `serviceType: LoadBalancer`."""
    ports: list[ServicePort] = []
    """Ports on the nodes, for `serviceType: NodePort` or `LoadBalancer`."""


class Ingress(Strict):
    """An Ingress that leads to the gateway's Service, for clusters with an Ingress controller."""

    host: HostName
    """Host name that clients ask for."""
    class_name: ObjectName | None = None
    """IngressClass; unset: the cluster's default."""
    annotations: dict[LabelKey, EnvValue] = {}
    """Annotations that the Ingress controller reads, such as a time-out that long answers need."""
    tls_secret: ObjectName | None = None
    """Secret of type kubernetes.io/tls for the host; unset: plain HTTP."""


class Gateway(Strict):
    """The model gateway: where requests come in."""

    provider: Provider = Provider.ISTIO
    """The cluster's gateway controller; `standalone` needs none and runs an Envoy of its own."""
    existing: Existing | None = None
    """An existing Gateway; unset: the stack makes a Gateway."""
    route: Route = Route.model_construct()
    """Which requests of the Gateway this stack serves."""
    labels: dict[LabelKey, LabelValue] = {}
    """Further labels of the Gateway, such as `istio.io/rev` where istio runs under a revision."""
    http: bool = True
    """Make the HTTP listener on port 80; `false`: only the HTTPS listener of `tls`."""
    tls: Tls | None = None
    """A listener for HTTPS; unset: none."""
    service: GatewayService = GatewayService.model_construct()
    """Annotations, load balancer class and node ports of the gateway's Service."""
    ingress: Ingress | None = None
    """An Ingress in front of it; unset: none (infra chart: off)."""
    request_timeout: Seconds | None = None
    """gke only: seconds after which the load balancer ends a request (GCPBackendPolicy); default: what the longest
    answer takes, `model.maxModelLen` tokens at 20 a second, and at least the chart's 300."""
    awaited: bool = Field(default=True, alias="await")
    """Let `pulumi up` wait until the controller reports the Gateway as Programmed (at most 10 minutes), so that its
    address is among the outputs. Programmed says that the Service and its address are there, and nothing about the
    proxy's pods: `python -m verify` proves that requests are answered. standalone: wait until Envoy is Ready. Set
    false if the controller is installed later, or if nothing gives a LoadBalancer an address."""
    termination_grace: Seconds | None = Field(default=None, le=3600)
    """Seconds that a replaced proxy has for the streams that it carries; a longer stream is cut. A proxy without
    connections ends at once. Default: decode's termination grace, at most 600; kgateway: kgateway's own 10 s, because
    its proxies take the whole time whether busy or not. gke, and agentgateway of release 0.4: not settable."""
    idle_timeout: Seconds | None = Field(default=None, le=3600)
    """istio, data-science-gateway and standalone: seconds after which the proxy closes a client's idle connection; an
    idle connection keeps a replaced istio proxy alive for this time and 7 s more. Behind a load balancer that speaks
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
    """standalone only: number of Envoy pods."""
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
