"""The model gateway: where requests come in."""

from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from components.gateways import objects_of, standalone
from components.names import HTTP_PORT, POOL_GROUP
from components.objects import CustomObject, metadata
from components.plan.gateway_args import IngressArgs, ListenerArgs, ModelGatewayArgs

PROGRAMMED = {"pulumi.com/waitFor": "condition=Programmed"}
"""Makes Pulumi wait for what every controller reports; a custom object is not waited for otherwise."""

WAIT = pulumi.ResourceOptions(custom_timeouts=pulumi.CustomTimeouts(create="10m", update="10m"))
"""The controller itself needs seconds; a new node for its proxy (4 CPU) or a cloud's load balancer takes minutes."""


class ModelGateway(pulumi.ComponentResource):
    """Gateway, or somebody else's; HTTPRoute to the pool, and what the provider adds; or an Envoy of our own."""

    gateway_name: pulumi.Output[str]
    """The Gateway, or the Envoy of our own."""
    address: pulumi.Output[str]
    """Host name or IP address that the controller or the load balancer gave it; empty while there is none, or it is
    somebody else's."""

    def __init__(self, name: str, args: ModelGatewayArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("llm-d-pd:index:ModelGateway", name, None, opts)
        args = ModelGatewayArgs.of(args)
        ours = pulumi.ResourceOptions(parent=self)
        if args.standalone:
            self.address = standalone.declare(name, args, args.standalone, ours)
        else:
            self.address = self._controlled(name, args, ours)
        if args.ingress:
            _ingress(name, args, args.ingress, ours)
        self.gateway_name = pulumi.Output.from_input(args.existing.name if args.existing else args.name)
        self.register_outputs({"gatewayName": self.gateway_name, "address": self.address})

    def _controlled(self, name: str, args: ModelGatewayArgs, ours: pulumi.ResourceOptions) -> pulumi.Output[str]:
        """Gateway and HTTPRoute for a controller; returns the address that it gives."""
        provider = objects_of(args.objects)
        address = pulumi.Output.from_input("")
        if not args.existing:
            address = _gateway(name, args, ours).status.apply(_address)
            provider.configure(name, args, ours)
        CustomObject(
            f"{name}-route",
            api_version="gateway.networking.k8s.io/v1",
            kind="HTTPRoute",
            meta=metadata(args.route.name, args.namespace, args.labels),
            spec=_route(args),
            opts=ours,
        )
        provider.connect(name, args, ours)
        return address


def _gateway(name: str, args: ModelGatewayArgs, ours: pulumi.ResourceOptions) -> CustomObject:
    labels = {
        **args.labels,
        **args.gateway_labels,
        "app.kubernetes.io/gateway": args.name,
        "app.kubernetes.io/component": "inference-gateway",
    }
    spec = {"gatewayClassName": args.class_name, "listeners": [_listener(each) for each in args.listeners]}
    return CustomObject(
        f"{name}-gateway",
        api_version="gateway.networking.k8s.io/v1",
        kind="Gateway",
        meta=metadata(args.name, args.namespace, labels, PROGRAMMED if args.awaited else None),
        spec={**spec, **_configured(args)},
        opts=pulumi.ResourceOptions.merge(ours, WAIT if args.awaited else None),
    )


def _configured(args: ModelGatewayArgs) -> dict[str, Any]:
    """Where its parameters are, if it has any."""
    if args.parameters is None:
        return {}
    reference = {"group": args.parameters.group, "kind": args.parameters.kind, "name": args.name}
    return {"infrastructure": {"parametersRef": reference}}


def _listener(args: ListenerArgs) -> dict[str, Any]:
    """For routes of every namespace, as the guide's one listener."""
    references = [
        {"group": "", "kind": "Secret", "name": each.name, **({"namespace": each.namespace} if each.namespace else {})}
        for each in args.certificates
    ]
    return {
        "name": args.name,
        "port": args.port,
        "protocol": "HTTPS" if references else "HTTP",
        **({"tls": {"mode": "Terminate", "certificateRefs": references}} if references else {}),
        "allowedRoutes": {"namespaces": {"from": "All"}},
    }


def _ingress(name: str, gateway: ModelGatewayArgs, args: IngressArgs, ours: pulumi.ResourceOptions) -> None:
    """Everything of a host to the plain listener. Its controller may be slow to write a status: nobody waits for it."""
    to = k8s.networking.v1
    backend = to.IngressBackendArgs(
        service=to.IngressServiceBackendArgs(name=args.service, port=to.ServiceBackendPortArgs(number=HTTP_PORT))
    )
    path = to.HTTPIngressPathArgs(path="/", path_type="Prefix", backend=backend)
    annotations = {**args.annotations, "pulumi.com/skipAwait": "true"}
    k8s.networking.v1.Ingress(
        f"{name}-ingress",
        metadata=metadata(gateway.name, gateway.namespace, gateway.labels, annotations),
        spec=to.IngressSpecArgs(
            ingress_class_name=args.class_name,
            rules=[to.IngressRuleArgs(host=args.host, http=to.HTTPIngressRuleValueArgs(paths=[path]))],
            tls=[to.IngressTLSArgs(hosts=[args.host], secret_name=args.tls_secret)] if args.tls_secret else None,
        ),
        opts=ours,
    )


def _route(args: ModelGatewayArgs) -> dict[str, Any]:
    """What fits goes to the pool, without timeouts: a long generation is not a failure."""
    given = args.route
    port = {} if given.bare else {"port": args.pool_port}
    timeouts = {} if given.bare else {"timeouts": {"request": "0s", "backendRequest": "0s"}}
    backend = {"group": POOL_GROUP, "kind": "InferencePool", "name": args.pool, **port, "weight": 1}
    match: dict[str, Any] = {"path": {"type": "PathPrefix", "value": given.path}}
    if given.headers:
        match["headers"] = [{"type": "Exact", "name": name, "value": value} for name, value in given.headers.items()]
    return {
        "parentRefs": [_parent(args)],
        **({"hostnames": given.hostnames} if given.hostnames else {}),
        "rules": [{"matches": [match], **_stripped(given.path), "backendRefs": [backend], **timeouts}],
    }


def _parent(args: ModelGatewayArgs) -> dict[str, str]:
    reference = {"group": "gateway.networking.k8s.io", "kind": "Gateway"}
    if args.existing is None:
        return {**reference, "name": args.name}
    listener = {"sectionName": args.existing.listener} if args.existing.listener else {}
    return {**reference, "name": args.existing.name, "namespace": args.existing.namespace, **listener}


def _stripped(path: str) -> dict[str, Any]:
    """vLLM serves /v1/…, whatever stands before it for the Gateway."""
    if path == "/":
        return {}
    rewrite = {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}
    return {"filters": [{"type": "URLRewrite", "urlRewrite": {"path": rewrite}}]}


def _address(status: Any) -> str:
    addresses = (status or {}).get("addresses") or [{}]
    return str(addresses[0].get("value") or "")
