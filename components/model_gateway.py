"""The model gateway: where requests come in."""

from typing import Any

import pulumi

from components.gateways import PROVIDERS
from components.names import HTTP_PORT, POOL_GROUP
from components.objects import CustomObject, metadata
from components.plan.gateway_args import ModelGatewayArgs

PROGRAMMED = {"pulumi.com/waitFor": "condition=Programmed"}
"""Makes Pulumi wait for what every controller reports; a custom object is not waited for otherwise."""

WAIT = pulumi.ResourceOptions(custom_timeouts=pulumi.CustomTimeouts(create="10m", update="10m"))
"""The controller itself needs seconds; a new node for its proxy (4 CPU) or a cloud's load balancer takes minutes."""


class ModelGateway(pulumi.ComponentResource):
    """Gateway, HTTPRoute to the pool, and what the provider adds."""

    gateway_name: pulumi.Output[str]
    """The Gateway."""
    address: pulumi.Output[str]
    """Host name or IP address that the controller gave it; empty while there is none."""

    def __init__(self, name: str, args: ModelGatewayArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("llm-d-pd:index:ModelGateway", name, None, opts)
        args = ModelGatewayArgs.of(args)
        ours = pulumi.ResourceOptions(parent=self)
        provider = PROVIDERS[args.provider]
        shape = provider.shape(args)
        labels = {
            **args.labels,
            **shape.labels,
            "app.kubernetes.io/gateway": args.name,
            "app.kubernetes.io/component": "inference-gateway",
        }
        spec: dict[str, Any] = {"gatewayClassName": shape.class_name, "listeners": [_listener()]}
        if shape.infrastructure:
            spec["infrastructure"] = shape.infrastructure
        gateway = CustomObject(
            f"{name}-gateway",
            api_version="gateway.networking.k8s.io/v1",
            kind="Gateway",
            meta=metadata(args.name, args.namespace, labels, PROGRAMMED if args.awaited else None),
            spec=spec,
            opts=pulumi.ResourceOptions.merge(ours, WAIT if args.awaited else None),
        )
        CustomObject(
            f"{name}-route",
            api_version="gateway.networking.k8s.io/v1",
            kind="HTTPRoute",
            meta=metadata(args.route, args.namespace, args.labels),
            spec=_route(args, bare=shape.bare_route),
            opts=ours,
        )
        provider.declare(name, args, ours)
        self.gateway_name = pulumi.Output.from_input(args.name)
        self.address = gateway.status.apply(_address)
        self.register_outputs({"gatewayName": self.gateway_name, "address": self.address})


def _listener() -> dict[str, Any]:
    """The guide's one listener."""
    return {
        "name": "default",
        "port": HTTP_PORT,
        "protocol": "HTTP",
        "allowedRoutes": {"namespaces": {"from": "All"}},
    }


def _route(args: ModelGatewayArgs, *, bare: bool) -> dict[str, Any]:
    """Everything to the pool, without timeouts: a long generation is not a failure."""
    port = {} if bare else {"port": args.pool_port}
    timeouts = {} if bare else {"timeouts": {"request": "0s", "backendRequest": "0s"}}
    backend = {"group": POOL_GROUP, "kind": "InferencePool", "name": args.pool, **port, "weight": 1}
    return {
        "parentRefs": [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": args.name}],
        "rules": [
            {
                "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
                "backendRefs": [backend],
                **timeouts,
            }
        ],
    }


def _address(status: Any) -> str:
    addresses = (status or {}).get("addresses") or [{}]
    return str(addresses[0].get("value") or "")
