"""The endpoint picker (EPP): decides for every request which decode pod serves it, and which prefill pod helps."""

from collections.abc import Iterator
from typing import Any

import pulumi

from components.manifests import SKIP_AWAIT, Manifest
from components.names import CONFIG_FILE, PICKER_PORTS, POOL_GROUP
from components.plan.platform_args import EndpointPickerArgs
from components.pods.picker_pod import deployment_spec
from components.registration import declare

RBAC = "rbac.authorization.k8s.io/v1"
FOLLOW = ["list", "watch"]
"""Verbs of the picker's caches. The picker reads objects from its caches only."""


class EndpointPicker(pulumi.ComponentResource):
    """Deployment, Service, configuration, rights, and the token with which Prometheus reads the metrics."""

    service_name: pulumi.Output[str]

    def __init__(self, name: str, args: EndpointPickerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("llm-d-pd:index:EndpointPicker", name, None, opts)
        args = EndpointPickerArgs.of(args)
        declare(name, objects(args), pulumi.ResourceOptions(parent=self))
        self.service_name = pulumi.Output.from_input(args.name)
        self.register_outputs({"serviceName": self.service_name})


def objects(args: EndpointPickerArgs) -> list[Manifest]:
    """Every object of the picker."""
    place = (args.name, args.namespace, args.labels)
    # Of several replicas only the leader becomes Ready, and the plugin would wait for all of them.
    awaited = {"pulumi.com/waitFor": "jsonpath={.status.readyReplicas}=1"} if args.replicas > 1 else {}
    deployment = {"spec": deployment_spec(args)}
    service = {
        "type": "ClusterIP",
        "selector": args.selector,
        "ports": [
            _port("grpc-ext-proc", PICKER_PORTS["grpc"], args.app_protocol),
            _port("http-metrics", PICKER_PORTS["metrics"]),
            *([_port("tcp-kv-events", args.events_port)] if args.events_port else []),
        ],
    }
    return [
        Manifest("account", "v1", "ServiceAccount", *place),
        Manifest("role", RBAC, "Role", *place, {"rules": _rules(args)}),
        Manifest("role-binding", RBAC, "RoleBinding", *place, _bound(args, "Role", args.name, args.name)),
        *(_metrics_reader(args, args.metrics_secret) if args.metrics_secret else []),
        Manifest("config", "v1", "ConfigMap", *place, {"data": {CONFIG_FILE: args.config}}),
        # The EPP reads its file at start: a pod that starts before the new ConfigMap would keep the old configuration.
        Manifest("deployment", "apps/v1", "Deployment", *place, deployment, awaited, after="config"),
        # The Deployment's readiness decides; the plugin's own wait on a Service costs 10 s and says nothing new.
        Manifest("service", "v1", "Service", *place, {"spec": service}, SKIP_AWAIT),
    ]


def _port(name: str, port: int, app_protocol: str | None = None) -> dict[str, Any]:
    """A port of the Service. Without `appProtocol`, istio reads the protocol from the prefix of the name."""
    given = {"appProtocol": app_protocol} if app_protocol else {}
    return {"name": name, "port": port, "targetPort": port, "protocol": "TCP", **given}


def _rules(args: EndpointPickerArgs) -> list[dict[str, Any]]:
    """What the release's picker follows: pods, its own pool, and kinds of the inference extension."""
    pool = {"apiGroups": [POOL_GROUP], "resources": ["inferencepools"], "resourceNames": [args.pool], "verbs": FOLLOW}
    kinds = [_rule(group, kinds, FOLLOW) for group, kinds in args.kinds.items()]
    rules = [_rule("", ["pods"], FOLLOW), pool, *kinds]
    if args.replicas > 1:  # replicas elect their leader by a Lease, and record it in Events
        rules += [
            _rule("coordination.k8s.io", ["leases"], ["get", "create", "update"]),
            _rule("", ["events"], ["create", "patch"]),
        ]
    return rules


def _metrics_reader(args: EndpointPickerArgs, secret: str) -> Iterator[Manifest]:
    """The account and the token that may only read metrics, and the picker's right to have the token reviewed."""
    place = (secret, args.namespace, args.labels)
    yield Manifest("metrics-reader", "v1", "ServiceAccount", *place, {"automountServiceAccountToken": False})
    reviews = [
        _rule("authentication.k8s.io", ["tokenreviews"], ["create"]),
        _rule("authorization.k8s.io", ["subjectaccessreviews"], ["create"]),
    ]
    metrics = [{"nonResourceURLs": ["/metrics"], "verbs": ["get"]}]
    yield from _cluster_wide("metrics-role", args, args.cluster_role, reviews, args.name)
    yield from _cluster_wide("metrics-reader-role", args, args.reader_role, metrics, secret)
    account = {"kubernetes.io/service-account.name": secret}
    body = {"type": "kubernetes.io/service-account-token"}
    # Without its account the token controller deletes such a Secret at once.
    yield Manifest("metrics-token", "v1", "Secret", *place, body, account, after="metrics-reader")


def _cluster_wide(
    resource: str, args: EndpointPickerArgs, role: str, rules: list[dict[str, Any]], account: str
) -> Iterator[Manifest]:
    """A ClusterRole and its binding to one account, because reviews and metrics are cluster-scoped."""
    yield Manifest(resource, RBAC, "ClusterRole", role, None, args.labels, {"rules": rules})
    bound = _bound(args, "ClusterRole", role, account)
    yield Manifest(f"{resource}-binding", RBAC, "ClusterRoleBinding", role, None, args.labels, bound)


def _rule(group: str, resources: list[str], verbs: list[str]) -> dict[str, Any]:
    return {"apiGroups": [group], "resources": resources, "verbs": verbs}


def _bound(args: EndpointPickerArgs, kind: str, role: str, account: str) -> dict[str, Any]:
    return {
        "roleRef": {"apiGroup": RBAC.partition("/")[0], "kind": kind, "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": args.namespace}],
    }
