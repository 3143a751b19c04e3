"""The interface of a gateway provider, and what several providers share: reasons for refusals, parts of manifests."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from components.config.vocabulary import EnvoyLogLevel, Platform, Provider, ServiceType
from components.gateways.args import ModelGatewayArgs
from components.manifests import Manifest

GATEWAY_API = "gateway.networking.k8s.io"
"""API group of Gateway, HTTPRoute and ReferenceGrant."""

ENVOY_LEVELS = {level: level.value for level in EnvoyLogLevel}

SHORT_LEVELS = {**ENVOY_LEVELS, EnvoyLogLevel.WARNING: "warn"}
"""Log levels as the charts for kgateway and agentgateway spell them."""

REQUESTS, LIMITS = {"cpu": "100m", "memory": "128Mi"}, {"cpu": "2", "memory": "1Gi"}
"""Resources of a proxy in the charts for kgateway and agentgateway."""

_GOOGLE = {
    **dict.fromkeys(("exposure", "autopilot"), "it is about GKE's load balancers and clusters"),
    "request_timeout": "a request here has no time limit: the route says 0s",
}
_PROXIES = dict.fromkeys(("replicas", "image"), "its controller decides about the proxies, not the stack")

REFUSED_BY_STANDALONE: Mapping[str, str] = {**_GOOGLE, "labels": "there is no Gateway, only the stack's own Envoy"}
"""Settings for Google's load balancers and for Gateways, by field, each with the reason of the refusal."""

REFUSED_BY_ISTIO: Mapping[str, str] = {**_GOOGLE, **_PROXIES}
"""The same, and settings of the stack's own proxies."""

REFUSED_BY_OTHERS: Mapping[str, str] = {
    **REFUSED_BY_ISTIO,
    "access_logging": "the guide's charts have an access log for istio only",
}
"""Settings that every controller but istio and gke refuses."""

IN_PARAMETERS = (
    *("service_type", "service", "log_level", "cpu", "memory", "cpu_limit", "memory_limit"),
    *("termination_grace", "idle_timeout"),
)
"""Settings that a controller takes from a Gateway's parameters."""

REFUSED_BARE: Mapping[str, str] = {
    **REFUSED_BY_OTHERS,
    **dict.fromkeys(IN_PARAMETERS, "the Gateway is bare: the guide's charts have no parameters for this controller"),
}
"""Settings that a controller refuses which gets Gateway and HTTPRoute alone."""

REFUSED_OUTSIDE: Mapping[str, str] = {
    **dict.fromkeys((*IN_PARAMETERS, *_PROXIES), "Google runs the load balancer, outside the cluster"),
    "ingress": "there is no Service that an Ingress could lead to",
    "access_logging": "its GCPBackendPolicy always logs, as the guide's",
}
"""Settings that gke refuses."""

Manifests = Callable[[ModelGatewayArgs], Sequence[Manifest]]
"""The objects for the arguments of a model gateway."""


def nothing(_: ModelGatewayArgs) -> Sequence[Manifest]:
    """No objects."""
    return ()


@dataclass(frozen=True)
class Parameters:
    """The kind of object that configures a Gateway. The object has the Gateway's name."""

    api_version: str
    kind: str
    formerly: str | None = None
    """`Manifest.formerly` of the object."""

    @property
    def group(self) -> str:
        """API group; empty for the core group."""
        return self.api_version.rpartition("/")[0]


@dataclass(frozen=True)
class Source:
    """The setting that asks for kinds of an API group, and the software that brings their CRDs."""

    setting: str
    software: str


@dataclass(frozen=True)
class GatewayProvider:
    """One gateway provider in the version that goes with a release of llm-d: its data and its objects.

    What the page says of it, and of its controller's behaviour, is in `page.yaml`.
    """

    word: Provider
    class_name: str | None
    """`gatewayClassName` of its Gateways; None: there is no controller, no Gateway and no HTTPRoute."""
    source: str
    """Charts and files from which the data and the objects come."""
    configure: Manifests = nothing
    """Objects that configure a Gateway of the stack's own. Without a class: the proxies themselves."""
    connect: Manifests = nothing
    """Objects that any Gateway, of this stack or not, needs to reach the stack's pool."""
    kinds: Mapping[str, Source] = field(default_factory=dict)
    """API groups of its own kinds, each with what brings them."""
    own_proxies: bool = False
    """Whether the stack declares the pods of the proxies; otherwise a controller or a cloud makes the proxies."""
    internal_class: str | None = None
    """`gatewayClassName` for `exposure: internal`; None: as for external."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Labels of a Gateway that the guide's chart sets for the controller."""
    copies_metadata: bool = False
    """Whether the controller copies the Gateway's own labels and annotations to the proxy's pods and Service, so that
    a changed annotation replaces the proxy, unless `spec.infrastructure` has labels and annotations of its own."""
    drains_in_full: bool = False
    """Whether a proxy that ends takes its whole termination grace, busy or not."""
    parameters: Parameters | None = None
    """What configures a Gateway; None: nothing does."""
    fixed_user: int | None = None
    """User that the proxies always run as, because nothing can be said to the controller; None: it can be said."""
    names_generation: bool = False
    """Whether its answers name the generation that gave them (`x-llm-d-generation`): the header is set by the route."""
    settle: int = 60
    """Seconds after a change of the route until all proxies and load balancers follow it (`rollout.settle`)."""
    bare_route: bool = False
    """Whether the controller refuses an HTTPRoute with a port and time limits."""
    service_suffix: str | None = ""
    """What follows the Gateway's name in the name of its Service; None: there is no Service."""
    service_type: ServiceType | None = None
    """Type that the Service always has; None: the stack chooses."""
    service_annotations: Mapping[str, str] = field(default_factory=dict)
    platform: Platform | None = None
    """Cloud that the provider is limited to; None: any cluster."""
    collectors: Mapping[bool, str] = field(default_factory=dict)
    """Namespace of the collector that reads metrics in place of the Prometheus operator, by `gateway.autopilot`."""
    health_checks: Sequence[str] = ()
    """Addresses from which its load balancer asks whether pods are healthy, as CIDR."""
    log_levels: Mapping[EnvoyLogLevel, str] = field(default_factory=dict)
    """Log levels that the proxy has, as the proxy spells them."""
    log_level: EnvoyLogLevel = EnvoyLogLevel.WARNING
    requests: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, str] = field(default_factory=dict)
    registry: str | None = None
    """Registry and folder of the proxy's image, if the parameters can set another; None: they cannot."""
    missing: str | None = None
    """Why the guide of the release does not have the provider; None: the guide has it."""
    note: str | None = None
    """Warning at every preview and `up`; completes "serving.gateway.provider: <word> …"."""
    access_logging: bool = False
    refused: Mapping[str, str] = field(default_factory=dict)
    """Settings of the gateway that the provider cannot honour, by field, each with the reason."""


def of_stack(args: ModelGatewayArgs) -> Callable[..., Manifest]:
    """Makes an object that stays whatever the generation, of the other fields of a manifest."""
    return partial(Manifest, namespace=args.namespace, labels=args.labels)


def of_generation(args: ModelGatewayArgs) -> Callable[..., Manifest]:
    """Makes an object of one generation, of the other fields of a manifest."""
    return partial(Manifest, namespace=args.namespace, labels=args.generation_labels, generation=args.generation)


def parameters(of: Parameters, args: ModelGatewayArgs, body: Mapping[str, Any]) -> Manifest:
    """The object that the Gateway's `parametersRef` names."""
    return of_stack(args)("parameters", of.api_version, of.kind, args.name, body=body, formerly=of.formerly)


def service_overlay(args: ModelGatewayArgs) -> dict[str, Any]:
    """Strategic merge patch for the Service that a controller makes: `ports` are merged by their number."""
    service = args.service
    spec: dict[str, Any] = {"type": args.service_type.value}
    if service.load_balancer_class:
        spec["loadBalancerClass"] = service.load_balancer_class
    if service.node_ports:
        spec["ports"] = [{"port": int(port), "nodePort": node} for port, node in service.node_ports.items()]
    return {**({"metadata": {"annotations": service.annotations}} if service.annotations else {}), "spec": spec}
