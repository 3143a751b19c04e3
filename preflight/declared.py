"""Every object that a plan declares, by kind and name: what must be served, permitted, and free to be made.

A test compares it with what the program tells the engine, for every provider, release and switch.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from components.config.vocabulary import FailureMode, Provider
from components.controllers.gke import COLLECTORS
from components.gateways.data_science_gateway import INGRESS, grant, lent
from components.monitoring.dashboards import dashboards
from components.names import Names
from components.plan import ServingPlan
from components.plan.gateway_args import ModelGatewayArgs, StandaloneArgs

PLURALS = {
    "HealthCheckPolicy": "healthcheckpolicies",
    "GCPBackendPolicy": "gcpbackendpolicies",
    "AgentgatewayParameters": "agentgatewayparameters",
    "GatewayParameters": "gatewayparameters",
    "Telemetry": "telemetries",
    "NetworkPolicy": "networkpolicies",
    "PodMonitoring": "podmonitorings",
    "Ingress": "ingresses",
}
"""Names of kinds in paths, where it isn't the kind in small letters with an s."""

RBAC = "rbac.authorization.k8s.io/v1"
GATEWAY = "gateway.networking.k8s.io/v1"
OPERATOR = "monitoring.coreos.com/v1"
ISTIOS = (Provider.ISTIO, Provider.DATA_SCIENCE)
BUILT_IN = ("v1", "apps/v1", "policy/v1", "networking.k8s.io/v1", RBAC)


@dataclass(frozen=True)
class Declared:
    """One object."""

    api_version: str
    kind: str
    name: str
    namespace: str | None

    @property
    def group(self) -> str:
        """API group; empty for the core."""
        return self.api_version.rpartition("/")[0]

    @property
    def plural(self) -> str:
        """The kind in paths and rights."""
        return PLURALS.get(self.kind, f"{self.kind.lower()}s")

    @property
    def resource(self) -> str:
        """The kind as kubectl takes it on a command line."""
        return f"{self.plural}.{self.group}" if self.group and self.api_version not in BUILT_IN else self.kind.lower()

    @property
    def path(self) -> str:
        """Where the API server has it."""
        root = "/apis/" if "/" in self.api_version else "/api/"
        within = f"/namespaces/{self.namespace}" if self.namespace else ""
        return f"{root}{self.api_version}{within}/{self.plural}/{self.name}"

    @property
    def key(self) -> str:
        """`Kind/namespace/name`, the same whatever version it is read at."""
        return f"{self.kind}/{self.namespace or ''}/{self.name}"

    @property
    def short(self) -> str:
        """`Kind/name`."""
        return f"{self.kind}/{self.name}"

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


def objects(plan: ServingPlan) -> list[Declared]:
    """All of them."""
    return [*_namespace(plan), *_gateway(plan), *_pool(plan), *_workers(plan), *_monitoring(plan), *_isolation(plan)]


def _namespace(plan: ServingPlan) -> Iterator[Declared]:
    args = plan.namespace
    if args.create:
        yield Declared("v1", "Namespace", args.namespace, None)
    yield Declared("v1", "ServiceAccount", args.service_account, args.namespace)
    if args.token is not None and args.token_secret:
        yield Declared("v1", "Secret", args.token_secret, args.namespace)


def _gateway(plan: ServingPlan) -> Iterator[Declared]:
    args, within = plan.gateway, plan.namespace.namespace
    if args.standalone:
        yield from _envoy(args, args.standalone)
        return
    yield Declared(GATEWAY, "HTTPRoute", args.route.name, within)
    if args.existing is None:
        yield Declared(GATEWAY, "Gateway", args.name, within)
        yield from _parameters(plan)
        if args.ingress:
            yield Declared("networking.k8s.io/v1", "Ingress", args.name, within)
    if args.objects is Provider.GKE:
        yield from _google(plan)
    elif args.objects in ISTIOS:
        yield Declared("networking.istio.io/v1beta1", "DestinationRule", args.picker, within)


def _envoy(args: ModelGatewayArgs, own: StandaloneArgs) -> Iterator[Declared]:
    """What stands in for Gateway and route."""
    for kind in ("ServiceAccount", "ConfigMap", "Service"):
        yield Declared("v1", kind, args.name, args.namespace)
    yield Declared("apps/v1", "Deployment", args.name, args.namespace)
    if own.failure_mode is FailureMode.FAIL_OPEN:
        yield Declared("v1", "Service", own.workers, args.namespace)
    if args.ingress:
        yield Declared("networking.k8s.io/v1", "Ingress", args.name, args.namespace)


def _parameters(plan: ServingPlan) -> Iterator[Declared]:
    """What configures a Gateway of our own."""
    args, within = plan.gateway, plan.namespace.namespace
    if args.parameters:
        yield Declared(args.parameters.api_version, args.parameters.kind, args.name, within)
    if args.objects in ISTIOS and args.access_logging:
        yield Declared("telemetry.istio.io/v1", "Telemetry", f"{args.name}-telemetry", within)
    if args.objects is Provider.DATA_SCIENCE and lent(args):
        yield Declared("gateway.networking.k8s.io/v1beta1", "ReferenceGrant", grant(args), INGRESS)


def _google(plan: ServingPlan) -> Iterator[Declared]:
    args, within = plan.gateway, plan.namespace.namespace
    for kind in ("HealthCheckPolicy", "GCPBackendPolicy"):
        yield Declared("networking.gke.io/v1", kind, args.pool, within)
    if args.metrics_interval is not None:
        reader, role = f"{args.pool}-metrics-reader", f"{args.pool}-metrics-reader-secret-read"
        yield Declared("monitoring.googleapis.com/v1", "PodMonitoring", args.pool, within)
        yield Declared("v1", "ServiceAccount", f"{reader}-sa", within)
        yield Declared("v1", "Secret", f"{reader}-secret", within)
        for kind in ("ClusterRole", "ClusterRoleBinding"):
            yield Declared(RBAC, kind, f"{within}-{reader}", None)
        yield Declared(RBAC, "Role", role, within)
        yield Declared(RBAC, "RoleBinding", f"{COLLECTORS[args.autopilot]}:collector:{within}-{role}", within)


def _pool(plan: ServingPlan) -> Iterator[Declared]:
    pool, picker, within = plan.pool, plan.picker, plan.namespace.namespace
    yield Declared("inference.networking.k8s.io/v1", "InferencePool", pool.name, within)
    for kind in ("ServiceAccount", "ConfigMap", "Service"):
        yield Declared("v1", kind, picker.name, within)
    yield Declared("apps/v1", "Deployment", picker.name, within)
    for kind in ("Role", "RoleBinding"):
        yield Declared(RBAC, kind, picker.name, within)
    if picker.metrics_secret:
        for kind in ("ServiceAccount", "Secret"):
            yield Declared("v1", kind, picker.metrics_secret, within)
        for kind in ("ClusterRole", "ClusterRoleBinding"):
            yield Declared(RBAC, kind, picker.cluster_role, None)
            yield Declared(RBAC, kind, picker.reader_role, None)


def _workers(plan: ServingPlan) -> Iterator[Declared]:
    for tier in (plan.prefill, plan.decode):
        yield Declared("apps/v1", "Deployment", tier.worker.name, tier.worker.namespace)
        yield Declared("policy/v1", "PodDisruptionBudget", tier.worker.name, tier.worker.namespace)


def _monitoring(plan: ServingPlan) -> Iterator[Declared]:
    args = plan.monitoring
    if args is None:
        return
    names = Names(args.postfix, args.namespace)
    for tier in args.tiers.values():
        yield Declared(OPERATOR, "PodMonitor", tier.name, args.namespace)
    yield Declared(OPERATOR, "ServiceMonitor", args.picker_monitor, args.namespace)
    if args.alerts:
        yield Declared(OPERATOR, "PrometheusRule", names.alerts, args.namespace)
    if args.dashboards:
        for each in dashboards(args):
            yield Declared("v1", "ConfigMap", names.dashboard(each.word), args.namespace)


def _isolation(plan: ServingPlan) -> Iterator[Declared]:
    if plan.isolation:
        for policy in plan.isolation.policies.values():
            yield Declared("networking.k8s.io/v1", "NetworkPolicy", policy.name, plan.isolation.namespace)
