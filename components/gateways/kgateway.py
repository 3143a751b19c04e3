"""kgateway: GatewayParameters with Envoy's container, log levels, resources and Service.

Source: llm-d infra chart v1.3.6 (release 0.4); kgateway 2.1.1 with inferenceExtension.enabled=true. In chart v1.4.0
(release 0.6) this provider is deprecated and what it installs is agentgateway: class, parameters and all. kgateway
reaches the picker over TLS by itself.
"""

from typing import Any

import pulumi

from components.config.vocabulary import ReleaseName
from components.gateways.agentgateway import Agentgateway
from components.gateways.provider import GatewayShape
from components.objects import CustomObject, metadata
from components.plan.gateway_args import ModelGatewayArgs

GROUP = "gateway.kgateway.dev"
KIND = "GatewayParameters"
TALKATIVE = ("upstream", "http", "connection")
"""Envoy's components that log at the stack's level; all others stay at warn (chart)."""

CONFINED = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}
"""Security context of every container (chart)."""

CUSTOM = {"gateway": "custom"}
"""The chart's label on Service and pods."""

SUCCESSOR = Agentgateway()


class Kgateway:
    """Envoy, kgateway's own build; from release 0.6 on agentgateway."""

    def shape(self, args: ModelGatewayArgs) -> GatewayShape:
        """Class and parameters."""
        if args.release is not ReleaseName.V0_4:
            return SUCCESSOR.shape(args)
        return GatewayShape(
            class_name="kgateway",
            infrastructure={"parametersRef": {"group": GROUP, "kind": KIND, "name": args.name}},
        )

    def configure(self, name: str, args: ModelGatewayArgs, opts: pulumi.ResourceOptions) -> None:
        """The parameters."""
        if args.release is not ReleaseName.V0_4:
            SUCCESSOR.configure(name, args, opts)
            return
        CustomObject(
            f"{name}-parameters",
            api_version=f"{GROUP}/v1alpha1",
            kind=KIND,
            meta=metadata(args.name, args.namespace, args.labels),
            spec={"kube": _kube(args)},
            opts=opts,
        )

    def connect(self, name: str, args: ModelGatewayArgs, opts: pulumi.ResourceOptions) -> None:
        """Nothing: the controller reaches pool and picker by itself."""


def _kube(args: ModelGatewayArgs) -> dict[str, Any]:
    """What the controller makes in the cluster."""
    return {
        "envoyContainer": {
            "securityContext": {**CONFINED, "runAsNonRoot": True},
            "bootstrap": {
                "logLevel": "warn",
                "componentLogLevels": dict.fromkeys(TALKATIVE, args.log_level),
            },
            "resources": {"requests": args.requests, "limits": args.limits},
        },
        "sdsContainer": {"securityContext": CONFINED},
        "service": _service(args),
        "podTemplate": {"extraLabels": CUSTOM},
    }


def _service(args: ModelGatewayArgs) -> dict[str, Any]:
    """Fields of its own, not those of a Service."""
    service: dict[str, Any] = {"type": args.service_type.value, "extraLabels": CUSTOM}
    if args.service.annotations:
        service["extraAnnotations"] = args.service.annotations
    if args.service.node_ports:
        service["ports"] = [{"port": int(port), "nodePort": node} for port, node in args.service.node_ports.items()]
    return service
