"""agentgateway: AgentgatewayParameters with log level, resources and Service.

Source: llm-d infra chart v1.4.0; agentgateway 1.0.0 and newer with inferenceExtension.enabled=true. The chart's Service
is a LoadBalancer; ours is what `gateway.serviceType` says, ClusterIP unless told: what has no login should not face the
world by default. It reaches the picker over TLS by itself.
"""

import pulumi

from components.gateways.provider import GatewayShape
from components.objects import CustomObject, metadata
from components.plan.platform_args import ModelGatewayArgs

GROUP = "agentgateway.dev"
KIND = "AgentgatewayParameters"


class Agentgateway:
    """A proxy of its own, not Envoy."""

    def shape(self, args: ModelGatewayArgs) -> GatewayShape:
        """Class and parameters."""
        return GatewayShape(
            class_name="agentgateway",
            infrastructure={"parametersRef": {"group": GROUP, "kind": KIND, "name": args.name}},
        )

    def declare(self, name: str, args: ModelGatewayArgs, opts: pulumi.ResourceOptions) -> None:
        """The parameters."""
        CustomObject(
            f"{name}-parameters",
            api_version=f"{GROUP}/v1alpha1",
            kind=KIND,
            meta=metadata(args.name, args.namespace, args.labels),
            spec={
                "logging": {"level": args.log_level},
                "resources": {"requests": args.requests, "limits": args.limits},
                "service": {
                    "metadata": {"labels": {"gateway": "custom"}},
                    "spec": {"type": args.service_type.value},
                },
            },
            opts=opts,
        )
