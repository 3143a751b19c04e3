"""kgateway: GatewayParameters with Envoy's container, log levels, resources and Service.

In chart v1.4.0 (release 0.6) this provider is deprecated, and what the chart installs is agentgateway, class and
parameters included.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from components.config.vocabulary import Provider, ReleaseName
from components.gateways import provider
from components.gateways.agentgateway import AGENTGATEWAY, CUSTOM
from components.gateways.args import ModelGatewayArgs
from components.manifests import Manifest

PARAMETERS = provider.Parameters("gateway.kgateway.dev/v1alpha1", "GatewayParameters")

TALKATIVE = ("upstream", "http", "connection")
"""Envoy's components that log at the stack's level; all others stay at warn (chart)."""

CONFINED = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}
"""Security context of every container (chart)."""

RESTRICTED = {"runAsNonRoot": True, "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}}
"""What Pod Security's level restricted demands besides; the capability is for listeners below port 1024."""

AFTER_SLEEP = 10
"""Seconds between the end of the preStop hook's sleep and the kubelet's SIGKILL."""


def configure(args: ModelGatewayArgs) -> Sequence[Manifest]:
    """The parameters: what the controller makes in the cluster."""
    pod: dict[str, Any] = {"extraLabels": CUSTOM}
    if args.termination_grace:
        # The preStop hook is a fixed sleep, taken in full; the pod's grace must be longer.
        pod["gracefulShutdown"] = {"enabled": True, "sleepTimeSeconds": args.termination_grace}
        pod["terminationGracePeriodSeconds"] = args.termination_grace + AFTER_SLEEP
    confined = {**CONFINED, **(RESTRICTED if args.confined else {})}
    kube = {
        **({"floatingUserId": True} if args.floating_user else {}),
        "envoyContainer": {
            "securityContext": {**confined, "runAsNonRoot": True},
            "bootstrap": {
                "logLevel": "warn",
                "componentLogLevels": dict.fromkeys(TALKATIVE, args.log_level),
            },
            "resources": {"requests": args.requests, "limits": args.limits},
            **({"image": {"registry": args.registry}} if args.registry else {}),
        },
        "sdsContainer": {"securityContext": confined},
        "service": _service(args),
        "podTemplate": pod,
    }
    return [provider.parameters(PARAMETERS, args, {"spec": {"kube": kube}})]


def _service(args: ModelGatewayArgs) -> dict[str, Any]:
    """Fields of kgateway's own, not those of a Service."""
    service: dict[str, Any] = {"type": args.service_type.value, "extraLabels": CUSTOM}
    if args.service.annotations:
        service["extraAnnotations"] = args.service.annotations
    if args.service.node_ports:
        service["ports"] = [{"port": int(port), "nodePort": node} for port, node in args.service.node_ports.items()]
    return service


KGATEWAY = provider.GatewayProvider(
    word=Provider.KGATEWAY,
    class_name="kgateway",
    source="llm-d infra chart v1.3.6",
    configure=configure,
    kinds={"gateway.kgateway.dev": provider.Source("serving.gateway.provider", "kgateway's CRD chart")},
    parameters=PARAMETERS,
    registry="cr.kgateway.dev/kgateway-dev",
    drains_in_full=True,
    log_levels=provider.SHORT_LEVELS,
    requests=provider.REQUESTS,
    limits=provider.LIMITS,
    refused={
        **provider.REFUSED_BY_OTHERS,
        "service.load_balancer_class": "GatewayParameters have no field for it",
        "idle_timeout": "GatewayParameters have no field for it; an HTTPListenerPolicy of your own has "
        "spec.idleTimeout",
    },
)

IS_AGENTGATEWAY = replace(
    AGENTGATEWAY,
    word=Provider.KGATEWAY,
    note="is deprecated in the guide: what it makes there is the Gateway of provider agentgateway, so say that",
)

RELEASES = {**dict.fromkeys(ReleaseName, IS_AGENTGATEWAY), ReleaseName.V0_4: KGATEWAY}
