"""Every object that a plan declares, by kind and name: what must be served, permitted, and free to be made.

A test compares it with what the program tells the engine, for every provider, release and switch.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from components import gateways
from components.monitoring.dashboards import dashboards
from components.names import Names
from components.plan import ServingPlan

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
OPERATOR = "monitoring.coreos.com/v1"
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
    for each in gateways.objects(plan.gateway):
        yield Declared(each.api_version, each.kind, each.name, each.namespace)


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
