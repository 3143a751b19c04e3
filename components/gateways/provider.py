"""What the model gateway asks of a provider."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import pulumi

from components.plan.gateway_args import ModelGatewayArgs


@dataclass(frozen=True)
class GatewayShape:
    """What a provider writes into the Gateway object."""

    class_name: str
    """`spec.gatewayClassName`."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Labels that its controller looks for."""
    infrastructure: Mapping[str, Any] | None = None
    """`spec.infrastructure`: where its parameters are."""
    bare_route: bool = False
    """Whether it takes no timeouts and no port in the HTTPRoute."""


class GatewayProvider(Protocol):
    """One gateway controller."""

    def shape(self, args: ModelGatewayArgs) -> GatewayShape:
        """Its part of the Gateway object."""

    def configure(self, name: str, args: ModelGatewayArgs, opts: pulumi.ResourceOptions) -> None:
        """Declare what configures a Gateway of the stack's own."""

    def connect(self, name: str, args: ModelGatewayArgs, opts: pulumi.ResourceOptions) -> None:
        """Declare what a Gateway needs to send requests to the stack's pool, whoever's it is."""


def overlay(args: ModelGatewayArgs) -> dict[str, Any]:
    """What is laid over a Service that a controller makes, as Kubernetes would merge it: ports by their number."""
    service = args.service
    spec: dict[str, Any] = {"type": args.service_type.value}
    if service.load_balancer_class:
        spec["loadBalancerClass"] = service.load_balancer_class
    if service.node_ports:
        spec["ports"] = [{"port": int(port), "nodePort": node} for port, node in service.node_ports.items()]
    return {**({"metadata": {"annotations": service.annotations}} if service.annotations else {}), "spec": spec}
