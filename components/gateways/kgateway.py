"""kgateway: GatewayParameters with Envoy's container, log levels, resources and Service.

Source: llm-d infra chart v1.3.6 (release 0.4). kgateway reaches the picker over TLS by itself.
"""

from typing import Any

import pulumi

from components.gateways.provider import GatewayProvider, parameters
from components.plan.gateway_args import ModelGatewayArgs

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


class Kgateway(GatewayProvider):
    """Envoy, kgateway's own build."""

    def configure(self, name: str, args: ModelGatewayArgs, opts: pulumi.ResourceOptions) -> None:
        """The parameters."""
        parameters(name, args, {"kube": _kube(args)}, opts)


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


PROVIDER = Kgateway()
