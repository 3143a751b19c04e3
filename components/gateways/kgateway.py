"""kgateway: GatewayParameters with Envoy's container, log levels, resources and Service.

In chart v1.4.0 (release 0.6) this provider is deprecated, and what the chart installs is agentgateway, class and
parameters included.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from components.config.vocabulary import Provider, ReleaseName
from components.gateways.agentgateway import AGENTGATEWAY
from components.gateways.args import ModelGatewayArgs
from components.gateways.provider import (
    LIMITS,
    REFUSED_BY_OTHERS,
    REQUESTS,
    SHORT_LEVELS,
    GatewayProvider,
    Parameters,
    Source,
    parameters,
)
from components.manifests import Manifest

PARAMETERS = Parameters("gateway.kgateway.dev/v1alpha1", "GatewayParameters")

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


def configure(args: ModelGatewayArgs) -> Sequence[Manifest]:
    """The parameters: what the controller makes in the cluster."""
    kube = {
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
    return [parameters(PARAMETERS, args, {"spec": {"kube": kube}})]


def _service(args: ModelGatewayArgs) -> dict[str, Any]:
    """Fields of kgateway's own, not those of a Service."""
    service: dict[str, Any] = {"type": args.service_type.value, "extraLabels": CUSTOM}
    if args.service.annotations:
        service["extraAnnotations"] = args.service.annotations
    if args.service.node_ports:
        service["ports"] = [{"port": int(port), "nodePort": node} for port, node in args.service.node_ports.items()]
    return service


KGATEWAY = GatewayProvider(
    word=Provider.KGATEWAY,
    class_name="kgateway",
    about="kgateway 2.1.1 with `inferenceExtension.enabled=true`. It reaches the endpoint picker over TLS by itself.",
    source="llm-d infra chart v1.3.6",
    makes="GatewayParameters",
    configure=configure,
    kinds={"gateway.kgateway.dev": Source("serving.gateway.provider", "kgateway's CRD chart")},
    parameters=PARAMETERS,
    log_levels=SHORT_LEVELS,
    requests=REQUESTS,
    limits=LIMITS,
    refused={
        **REFUSED_BY_OTHERS,
        "service.load_balancer_class": "the guide's GatewayParameters have no field for it",
    },
)

RELEASES = {
    ReleaseName.V0_6: replace(
        AGENTGATEWAY,
        word=Provider.KGATEWAY,
        about="Deprecated in the guide: the same as `agentgateway`, and a warning.",
        note="is deprecated in the guide: what it makes there is the Gateway of provider agentgateway, so say that",
    ),
    ReleaseName.V0_4: KGATEWAY,
}
