"""agentgateway: AgentgatewayParameters with log level, resources and Service.

Source: llm-d infra chart v1.4.0 (release 0.6). Its Service is a LoadBalancer; ours is what `gateway.serviceType` says,
ClusterIP unless told: what has no login should not face the world by default. The proxy reaches the picker over TLS by
itself.
"""

from typing import Any

import pulumi

from components.gateways.provider import GatewayProvider, overlay, parameters
from components.plan.gateway_args import ModelGatewayArgs


class Agentgateway(GatewayProvider):
    """A proxy of its own, not Envoy."""

    def configure(self, name: str, args: ModelGatewayArgs, opts: pulumi.ResourceOptions) -> None:
        """The parameters."""
        spec = {
            "logging": {"level": args.log_level},
            "resources": {"requests": args.requests, "limits": args.limits},
            "service": _service(args),
        }
        parameters(name, args, spec, opts)


def _service(args: ModelGatewayArgs) -> dict[str, Any]:
    """With the chart's label."""
    ours = overlay(args)
    return {**ours, "metadata": {"labels": {"gateway": "custom"}, **ours.get("metadata", {})}}


PROVIDER = Agentgateway()
