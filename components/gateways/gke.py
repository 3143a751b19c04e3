"""gke: GKE's own load balancers, with a health check and a backend policy, and Google's managed Prometheus.

Source: inferencepool charts v1.2.0 and v1.4.0 with `provider.name: gke`. The picker keeps asking who reads its metrics
(release 0.4 of the guide switched that off and sent a token all the same); the workers' are read by GKE's automatic
monitoring. The Prometheus reader's account and token stay, as with every provider, though nothing uses them here.
"""

from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from components.controllers.gke import COLLECTORS
from components.gateways.provider import GatewayProvider
from components.names import POOL_GROUP
from components.objects import CustomObject, metadata
from components.plan.gateway_args import ModelGatewayArgs

RBAC = "rbac.authorization.k8s.io"


class Gke(GatewayProvider):
    """Google's load balancers, outside the cluster."""

    def connect(self, name: str, args: ModelGatewayArgs, opts: pulumi.ResourceOptions) -> None:
        """Policies of the pool and, with monitoring, what lets Google's collector read the picker's metrics."""
        target = {"group": POOL_GROUP, "kind": "InferencePool", "name": args.pool}
        check = {"type": "HTTP", "httpHealthCheck": {"requestPath": "/health", "port": args.pool_port}}
        policies = {
            "HealthCheckPolicy": {"timeoutSec": 2, "checkIntervalSec": 2, "config": check},
            "GCPBackendPolicy": {"timeoutSec": args.request_timeout, "logging": {"enabled": True}},
        }
        for kind, default in policies.items():
            CustomObject(
                f"{name}-{kind.lower()}",
                api_version="networking.gke.io/v1",
                kind=kind,
                meta=metadata(args.pool, args.namespace, args.labels),
                spec={"targetRef": target, "default": default},
                opts=opts,
            )
        if args.metrics_interval is not None:
            CustomObject(
                f"{name}-picker-monitoring",
                api_version="monitoring.googleapis.com/v1",
                kind="PodMonitoring",
                meta=metadata(args.pool, args.namespace, args.labels),
                spec=_monitoring(args, f"{args.pool}-metrics-reader-secret"),
                opts=opts,
            )
            _reader(name, args, opts)
            _collector(name, args, opts)


def _monitoring(args: ModelGatewayArgs, secret: str) -> dict[str, Any]:
    """The picker's metrics want a token."""
    token = {"type": "Bearer", "credentials": {"secret": {"name": secret, "key": "token"}}}
    endpoint = {"port": "metrics", "scheme": "http", "path": "/metrics", "interval": args.metrics_interval}
    return {"endpoints": [{**endpoint, "authorization": token}], "selector": {"matchLabels": args.picker_selector}}


def _reader(name: str, args: ModelGatewayArgs, opts: pulumi.ResourceOptions) -> None:
    """An account that may read metrics, and its token."""
    reader, role = f"{args.pool}-metrics-reader-sa", f"{args.namespace}-{args.pool}-metrics-reader"
    account = k8s.core.v1.ServiceAccount(
        f"{name}-metrics-reader", metadata=metadata(reader, args.namespace, args.labels), opts=opts
    )
    k8s.core.v1.Secret(
        f"{name}-metrics-token",
        metadata=metadata(
            f"{args.pool}-metrics-reader-secret",
            args.namespace,
            args.labels,
            {"kubernetes.io/service-account.name": reader},
        ),
        type="kubernetes.io/service-account-token",
        # Without its account the token controller deletes such a Secret at once.
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[account])),
    )
    k8s.rbac.v1.ClusterRole(
        f"{name}-metrics-role",
        metadata=metadata(role, None, args.labels),
        rules=[k8s.rbac.v1.PolicyRuleArgs(non_resource_urls=["/metrics"], verbs=["get"])],
        opts=opts,
    )
    k8s.rbac.v1.ClusterRoleBinding(
        f"{name}-metrics-role-binding",
        metadata=metadata(role, None, args.labels),
        role_ref=k8s.rbac.v1.RoleRefArgs(api_group=RBAC, kind="ClusterRole", name=role),
        subjects=[k8s.rbac.v1.SubjectArgs(kind="ServiceAccount", name=reader, namespace=args.namespace)],
        opts=opts,
    )


def _collector(name: str, args: ModelGatewayArgs, opts: pulumi.ResourceOptions) -> None:
    """Lets Google's collector read the token."""
    role, collector = f"{args.pool}-metrics-reader-secret-read", COLLECTORS[args.autopilot]
    k8s.rbac.v1.Role(
        f"{name}-token-role",
        metadata=metadata(role, args.namespace, args.labels),
        rules=[
            k8s.rbac.v1.PolicyRuleArgs(
                api_groups=[""],
                resources=["secrets"],
                resource_names=[f"{args.pool}-metrics-reader-secret"],
                verbs=["get", "list", "watch"],
            )
        ],
        opts=opts,
    )
    k8s.rbac.v1.RoleBinding(
        f"{name}-token-role-binding",
        metadata=metadata(f"{collector}:collector:{args.namespace}-{role}", args.namespace, args.labels),
        role_ref=k8s.rbac.v1.RoleRefArgs(api_group=RBAC, kind="Role", name=role),
        subjects=[k8s.rbac.v1.SubjectArgs(kind="ServiceAccount", name="collector", namespace=collector)],
        opts=opts,
    )


PROVIDER = Gke()
