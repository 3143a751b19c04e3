"""gke: GKE's own load balancers, with a health check and a backend policy, and Google's managed Prometheus.

The route has neither port nor time limits, which GKE refuses: the time limit is the backend policy's. The endpoint
picker asks for a token when its metrics are read (release 0.4 of the guide switched that off and sent a token all the
same). GKE's automatic monitoring reads the workers' metrics. The Prometheus reader's account and token stay, as with
every provider, though nothing uses them here.
"""

from collections.abc import Sequence
from typing import Any

from components.config.vocabulary import Platform, Provider, ReleaseName, ServiceType
from components.gateways.args import ModelGatewayArgs
from components.gateways.provider import REFUSED_OUTSIDE, GatewayProvider, Source, of_generation
from components.manifests import Manifest
from components.names import POOL_GROUP

RBAC = "rbac.authorization.k8s.io"

COLLECTORS = {False: "gmp-system", True: "gke-gmp-system"}
"""Namespace of Google's metrics collector, by whether the cluster is an Autopilot one."""


def connect(args: ModelGatewayArgs) -> Sequence[Manifest]:
    """Policies of the pool and, with monitoring, what lets Google's collector read the endpoint picker's metrics."""
    target = {"group": POOL_GROUP, "kind": "InferencePool", "name": args.pool}
    check = {"type": "HTTP", "httpHealthCheck": {"requestPath": "/health", "port": args.pool_port}}
    policies = {
        "HealthCheckPolicy": {"timeoutSec": 2, "checkIntervalSec": 2, "config": check},
        "GCPBackendPolicy": {"timeoutSec": args.request_timeout, "logging": {"enabled": True}},
    }
    one = of_generation(args)
    made = [
        one(
            kind.lower(), "networking.gke.io/v1", kind, args.pool, body={"spec": {"targetRef": target, "default": each}}
        )
        for kind, each in policies.items()
    ]
    if args.metrics_interval is not None:
        spec = _monitoring(args, f"{args.pool}-metrics-reader-secret")
        made.append(
            one("picker-monitoring", "monitoring.googleapis.com/v1", "PodMonitoring", args.pool, body={"spec": spec})
        )
        made += [*_reader(args), *_collector(args)]
    return made


def _monitoring(args: ModelGatewayArgs, secret: str) -> dict[str, Any]:
    """The endpoint picker's metrics need a token."""
    token = {"type": "Bearer", "credentials": {"secret": {"name": secret, "key": "token"}}}
    endpoint = {"port": "metrics", "scheme": "http", "path": "/metrics", "interval": args.metrics_interval}
    return {"endpoints": [{**endpoint, "authorization": token}], "selector": {"matchLabels": args.picker_selector}}


def _reader(args: ModelGatewayArgs) -> Sequence[Manifest]:
    """An account that may read metrics, and its token."""
    reader, role = f"{args.pool}-metrics-reader-sa", f"{args.namespace}-{args.pool}-metrics-reader"
    rules = [{"nonResourceURLs": ["/metrics"], "verbs": ["get"]}]
    binding = {
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": reader, "namespace": args.namespace}],
    }
    one = of_generation(args)
    return [
        one("metrics-reader", "v1", "ServiceAccount", reader),
        one(
            "metrics-token",
            "v1",
            "Secret",
            f"{args.pool}-metrics-reader-secret",
            body={"type": "kubernetes.io/service-account-token"},
            annotations={"kubernetes.io/service-account.name": reader},
            # Without its account the token controller deletes such a Secret at once.
            after="metrics-reader",
        ),
        one("metrics-role", f"{RBAC}/v1", "ClusterRole", role, namespace=None, body={"rules": rules}),
        one("metrics-role-binding", f"{RBAC}/v1", "ClusterRoleBinding", role, namespace=None, body=binding),
    ]


def _collector(args: ModelGatewayArgs) -> Sequence[Manifest]:
    """Lets Google's collector read the token."""
    role, collector = f"{args.pool}-metrics-reader-secret-read", COLLECTORS[args.autopilot]
    rule = {
        "apiGroups": [""],
        "resources": ["secrets"],
        "resourceNames": [f"{args.pool}-metrics-reader-secret"],
        "verbs": ["get", "list", "watch"],
    }
    binding = {
        "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": "collector", "namespace": collector}],
    }
    bound = f"{collector}:collector:{args.namespace}-{role}"
    one = of_generation(args)
    return [
        one("token-role", f"{RBAC}/v1", "Role", role, body={"rules": [rule]}),
        one("token-role-binding", f"{RBAC}/v1", "RoleBinding", bound, body=binding),
    ]


GKE = GatewayProvider(
    word=Provider.GKE,
    class_name="gke-l7-regional-external-managed",
    internal_class="gke-l7-rilb",
    source="inferencepool charts v1.2.0 and v1.4.0 with `provider.name: gke`",
    connect=connect,
    kinds={
        "networking.gke.io": Source("serving.gateway.provider", "GKE's Gateway controller (`--gateway-api=standard`)"),
        "monitoring.googleapis.com": Source("serving.monitoring.enabled", "Google's managed Prometheus"),
    },
    bare_route=True,
    settle=300,
    service_suffix=None,
    service_type=ServiceType.LOAD_BALANCER,
    platform=Platform.GKE,
    collectors=COLLECTORS,
    health_checks=("35.191.0.0/16", "130.211.0.0/22"),
    refused=REFUSED_OUTSIDE,
)

RELEASES = dict.fromkeys(ReleaseName, GKE)
