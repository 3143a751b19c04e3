"""What the model gateway asks of a provider."""

from typing import Any

import pulumi

from components.objects import CustomObject, metadata
from components.plan.gateway_args import ModelGatewayArgs


class GatewayProvider:
    """What a gateway controller needs beside Gateway and HTTPRoute: nothing, unless it says so."""

    def configure(self, name: str, args: ModelGatewayArgs, opts: pulumi.ResourceOptions) -> None:
        """Declare what configures a Gateway of the stack's own."""

    def connect(self, name: str, args: ModelGatewayArgs, opts: pulumi.ResourceOptions) -> None:
        """Declare what a Gateway needs to send requests to the stack's pool, whoever's it is."""


def parameters(name: str, args: ModelGatewayArgs, spec: dict[str, Any], opts: pulumi.ResourceOptions) -> None:
    """Declare the object that the Gateway refers to, of the controller's own kind."""
    assert args.parameters
    CustomObject(
        f"{name}-parameters",
        api_version=args.parameters.api_version,
        kind=args.parameters.kind,
        meta=metadata(args.name, args.namespace, args.labels),
        spec=spec,
        opts=opts,
    )


def overlay(args: ModelGatewayArgs) -> dict[str, Any]:
    """What is laid over a Service that a controller makes, as Kubernetes would merge it: ports by their number."""
    service = args.service
    spec: dict[str, Any] = {"type": args.service_type.value}
    if service.load_balancer_class:
        spec["loadBalancerClass"] = service.load_balancer_class
    if service.node_ports:
        spec["ports"] = [{"port": int(port), "nodePort": node} for port, node in service.node_ports.items()]
    return {**({"metadata": {"annotations": service.annotations}} if service.annotations else {}), "spec": spec}
