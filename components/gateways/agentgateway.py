"""agentgateway: a proxy of its own, not Envoy. AgentgatewayParameters with log level, resources and Service.

Release 0.4 has kgateway's agentgateway 2.2.0-beta.3 and gives it a bare Gateway, with a Service of type LoadBalancer;
release 0.6 has agentgateway 1.0.0. In that chart the Service is a LoadBalancer, too; here it is a ClusterIP by default,
because it has no login.
"""

from collections.abc import Sequence
from typing import Any

from components.config.vocabulary import EnvoyLogLevel, Provider, ReleaseName, ServiceType
from components.gateways import provider
from components.gateways.args import ModelGatewayArgs
from components.manifests import CONFINED, Manifest

PARAMETERS = provider.Parameters("agentgateway.dev/v1alpha1", "AgentgatewayParameters")

SHORTEST = 10
"""Seconds that a proxy which ends goes on accepting connections (agentgateway's own default)."""

CUSTOM = {"gateway": "custom"}
"""Label of the Service in the charts for agentgateway and kgateway; kgateway's pods have it, too."""


def configure(args: ModelGatewayArgs) -> Sequence[Manifest]:
    """The parameters."""
    service, grace = provider.service_overlay(args), args.termination_grace
    assert grace, "the plan decides it for every provider that does not take its grace in full"
    spec = {
        "logging": {"level": args.log_level},
        "resources": {"requests": args.requests, "limits": args.limits},
        **({"image": {"registry": args.registry}} if args.registry else {}),
        "shutdown": {"min": min(SHORTEST, grace), "max": grace},
        "service": {**service, "metadata": {"labels": CUSTOM, **service.get("metadata", {})}},
        **({"deployment": _deployment(args)} if args.floating_user or args.confined else {}),
    }
    return [provider.parameters(PARAMETERS, args, {"spec": spec})]


def _deployment(args: ModelGatewayArgs) -> dict[str, Any]:
    """Strategic merge patch for the controller's Deployment: no user of its own, and a seccomp profile.

    The controller names user 10101, which OpenShift refuses (llm-d/llm-d
    guides/recipes/gateway/agentgateway-openshift/gateway-parameters.yaml).
    """
    pod: dict[str, Any] = {"securityContext": {"seccompProfile": CONFINED["seccompProfile"]}}
    if args.floating_user:
        pod["containers"] = [{"name": "agentgateway", "securityContext": {"$patch": "replace", **CONFINED}}]
    return {"spec": {"template": {"spec": pod}}}


AGENTGATEWAY = provider.GatewayProvider(
    word=Provider.AGENTGATEWAY,
    class_name="agentgateway",
    source="llm-d infra chart v1.4.0",
    configure=configure,
    kinds={"agentgateway.dev": provider.Source("serving.gateway.provider", "agentgateway's CRD chart")},
    parameters=PARAMETERS,
    registry="cr.agentgateway.dev",
    log_levels={level: word for level, word in provider.SHORT_LEVELS.items() if level is not EnvoyLogLevel.CRITICAL},
    requests=provider.REQUESTS,
    limits=provider.LIMITS,
    refused={
        **provider.REFUSED_BY_OTHERS,
        "idle_timeout": "AgentgatewayParameters have no field for it; an AgentgatewayPolicy of your own has "
        "spec.frontend.http.http1IdleTimeout",
    },
)

RELEASES = {
    **dict.fromkeys(ReleaseName, AGENTGATEWAY),
    ReleaseName.V0_4: provider.GatewayProvider(
        word=Provider.AGENTGATEWAY,
        class_name="agentgateway-v2",
        source="llm-d infra chart v1.3.6",
        service_type=ServiceType.LOAD_BALANCER,
        fixed_user=10101,
        refused=provider.REFUSED_BARE,
    ),
}
