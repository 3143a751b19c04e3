"""The endpoint picker (EPP): decides for every request which decode pod serves it, and which prefill pod helps."""

import pulumi
import pulumi_kubernetes as k8s

from components.names import CONFIG_FILE, PICKER_PORTS, POOL_GROUP
from components.plan.platform_args import EndpointPickerArgs
from components.pods.picker_pod import deployment_spec
from components.registration import metadata

FOLLOW = ["list", "watch"]
"""All that its caches ask for: what it gets, it gets from them."""


class EndpointPicker(pulumi.ComponentResource):
    """Deployment, Service, configuration, rights, and the token for whoever reads its metrics."""

    service_name: pulumi.Output[str]
    """The picker's Service."""

    def __init__(self, name: str, args: EndpointPickerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("llm-d-pd:index:EndpointPicker", name, None, opts)
        args = EndpointPickerArgs.of(args)
        child = pulumi.ResourceOptions(parent=self)
        meta = metadata(args.name, args.namespace, args.labels)
        k8s.core.v1.ServiceAccount(f"{name}-account", metadata=meta, opts=child)
        _role(name, args, child)
        if args.metrics_secret:
            _metrics_reader(name, args, args.metrics_secret, self)
        config = k8s.core.v1.ConfigMap(f"{name}-config", metadata=meta, data={CONFIG_FILE: args.config}, opts=child)
        # The plugin would wait until all are Ready, and of several only the leader ever is.
        awaited = {"pulumi.com/waitFor": "jsonpath={.status.readyReplicas}=1"} if args.replicas > 1 else None
        k8s.apps.v1.Deployment(
            f"{name}-deployment",
            metadata=metadata(args.name, args.namespace, args.labels, awaited),
            spec=deployment_spec(args),
            # It reads its file once: a pod that is faster than a changed configuration would keep the old one.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[config]),
        )
        k8s.core.v1.Service(
            f"{name}-service",
            # The Deployment's readiness decides; the plugin's own wait on a Service costs 10 s and says nothing new.
            metadata=metadata(args.name, args.namespace, args.labels, {"pulumi.com/skipAwait": "true"}),
            spec=k8s.core.v1.ServiceSpecArgs(
                type="ClusterIP",
                selector=args.selector,
                ports=[
                    _port("grpc-ext-proc", PICKER_PORTS["grpc"]),
                    _port("http-metrics", PICKER_PORTS["metrics"]),
                    *([_port("tcp-kv-events", args.events_port)] if args.events_port else []),
                ],
            ),
            opts=child,
        )
        self.service_name = pulumi.Output.from_input(args.name)
        self.register_outputs({"serviceName": self.service_name})


def _port(name: str, port: int) -> k8s.core.v1.ServicePortArgs:
    """istio reads the protocol from the name, so the prefix matters."""
    return k8s.core.v1.ServicePortArgs(name=name, port=port, target_port=port, protocol="TCP")


def _role(name: str, args: EndpointPickerArgs, opts: pulumi.ResourceOptions) -> None:
    """What the release's picker follows: pods, its own pool, and kinds of the inference extension."""
    meta = metadata(args.name, args.namespace, args.labels)
    rule = k8s.rbac.v1.PolicyRuleArgs
    rules = [
        rule(api_groups=[""], resources=["pods"], verbs=FOLLOW),
        rule(api_groups=[POOL_GROUP], resources=["inferencepools"], resource_names=[args.pool], verbs=FOLLOW),
        rule(api_groups=["inference.networking.x-k8s.io"], resources=args.kinds, verbs=FOLLOW),
    ]
    if args.replicas > 1:  # they elect their leader by a Lease, and say so in Events
        rules += [
            rule(api_groups=["coordination.k8s.io"], resources=["leases"], verbs=["get", "create", "update"]),
            rule(api_groups=[""], resources=["events"], verbs=["create", "patch"]),
        ]
    k8s.rbac.v1.Role(
        f"{name}-role",
        metadata=meta,
        rules=rules,
        opts=opts,
    )
    k8s.rbac.v1.RoleBinding(
        f"{name}-role-binding",
        metadata=meta,
        role_ref=k8s.rbac.v1.RoleRefArgs(api_group="rbac.authorization.k8s.io", kind="Role", name=args.name),
        subjects=[_subject(args, args.name)],
        opts=opts,
    )


def _metrics_reader(name: str, args: EndpointPickerArgs, secret: str, parent: pulumi.Resource) -> None:
    """The picker asks the API server who scrapes it; the token is that of an account which may do nothing else."""
    opts = pulumi.ResourceOptions(parent=parent)
    meta = metadata(secret, args.namespace, args.labels)
    reader = k8s.core.v1.ServiceAccount(
        f"{name}-metrics-reader", metadata=meta, automount_service_account_token=False, opts=opts
    )
    rule = k8s.rbac.v1.PolicyRuleArgs
    reviews = [
        rule(api_groups=["authentication.k8s.io"], resources=["tokenreviews"], verbs=["create"]),
        rule(api_groups=["authorization.k8s.io"], resources=["subjectaccessreviews"], verbs=["create"]),
    ]
    metrics = [rule(non_resource_urls=["/metrics"], verbs=["get"])]
    _cluster_wide(f"{name}-metrics-role", args, opts, role=args.cluster_role, rules=reviews, account=args.name)
    _cluster_wide(f"{name}-metrics-reader-role", args, opts, role=args.reader_role, rules=metrics, account=secret)
    k8s.core.v1.Secret(
        f"{name}-metrics-token",
        metadata=metadata(secret, args.namespace, args.labels, {"kubernetes.io/service-account.name": secret}),
        type="kubernetes.io/service-account-token",
        # Without its account the token controller deletes such a Secret at once.
        opts=pulumi.ResourceOptions(parent=parent, depends_on=[reader]),
    )


def _cluster_wide(
    name: str,
    args: EndpointPickerArgs,
    opts: pulumi.ResourceOptions,
    *,
    role: str,
    rules: list[k8s.rbac.v1.PolicyRuleArgs],
    account: str,
) -> None:
    """A ClusterRole for one account; reviews and metrics are of no namespace."""
    meta = metadata(role, None, args.labels)
    k8s.rbac.v1.ClusterRole(name, metadata=meta, rules=rules, opts=opts)
    reference = k8s.rbac.v1.RoleRefArgs(api_group="rbac.authorization.k8s.io", kind="ClusterRole", name=role)
    k8s.rbac.v1.ClusterRoleBinding(
        f"{name}-binding", metadata=meta, role_ref=reference, subjects=[_subject(args, account)], opts=opts
    )


def _subject(args: EndpointPickerArgs, account: str) -> k8s.rbac.v1.SubjectArgs:
    return k8s.rbac.v1.SubjectArgs(kind="ServiceAccount", name=account, namespace=args.namespace)
