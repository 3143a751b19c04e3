"""agentgateway: in release 0.4 a bare Gateway, later AgentgatewayParameters with log level, resources and Service.

Source: llm-d infra charts v1.3.6 (release 0.4: kgateway's agentgateway 2.2.0-beta.3, class agentgateway-v2) and v1.4.0
(release 0.6: agentgateway 1.0.0), both with inferenceExtension.enabled=true. The newer chart's Service is a
LoadBalancer; ours is what `gateway.serviceType` says, ClusterIP unless told: what has no login should not face the
world by default. In release 0.4 nothing can be told, and it is a LoadBalancer (a warning says so). The proxy reaches
the picker over TLS by itself.
"""

from typing import Any

import pulumi

from components.config.vocabulary import ReleaseName
from components.gateways.provider import GatewayShape, overlay
from components.objects import CustomObject, metadata
from components.plan.gateway_args import ModelGatewayArgs

GROUP = "agentgateway.dev"
KIND = "AgentgatewayParameters"


class Agentgateway:
    """A proxy of its own, not Envoy."""

    def shape(self, args: ModelGatewayArgs) -> GatewayShape:
        """Class and, where there are any, parameters."""
        if args.release is ReleaseName.V0_4:
            return GatewayShape(class_name="agentgateway-v2")
        return GatewayShape(
            class_name="agentgateway",
            infrastructure={"parametersRef": {"group": GROUP, "kind": KIND, "name": args.name}},
        )

    def configure(self, name: str, args: ModelGatewayArgs, opts: pulumi.ResourceOptions) -> None:
        """The parameters, where there are any."""
        if args.release is ReleaseName.V0_4:
            return
        CustomObject(
            f"{name}-parameters",
            api_version=f"{GROUP}/v1alpha1",
            kind=KIND,
            meta=metadata(args.name, args.namespace, args.labels),
            spec={
                "logging": {"level": args.log_level},
                "resources": {"requests": args.requests, "limits": args.limits},
                "service": _service(args),
            },
            opts=opts,
        )

    def connect(self, name: str, args: ModelGatewayArgs, opts: pulumi.ResourceOptions) -> None:
        """Nothing: the controller reaches pool and picker by itself."""


def _service(args: ModelGatewayArgs) -> dict[str, Any]:
    """With the chart's label."""
    ours = overlay(args)
    return {**ours, "metadata": {"labels": {"gateway": "custom"}, **ours.get("metadata", {})}}
