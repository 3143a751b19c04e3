"""agentgateway: a proxy of its own, not Envoy. AgentgatewayParameters with log level, resources and Service.

Release 0.4 has kgateway's agentgateway 2.2.0-beta.3 and gives it a bare Gateway, with a Service of type LoadBalancer;
release 0.6 has agentgateway 1.0.0. In that chart the Service is a LoadBalancer, too; here it is a ClusterIP by default,
because it has no login.
"""

from collections.abc import Sequence

from components.config.vocabulary import EnvoyLogLevel, Provider, ReleaseName, ServiceType
from components.gateways.args import ModelGatewayArgs
from components.gateways.provider import (
    LIMITS,
    REFUSED_BARE,
    REFUSED_BY_OTHERS,
    REQUESTS,
    SHORT_LEVELS,
    GatewayProvider,
    Parameters,
    Source,
    parameters,
    service_overlay,
)
from components.manifests import Manifest

PARAMETERS = Parameters("agentgateway.dev/v1alpha1", "AgentgatewayParameters")

CUSTOM = {"gateway": "custom"}
"""The chart's label on the Service."""


def configure(args: ModelGatewayArgs) -> Sequence[Manifest]:
    """The parameters."""
    service = service_overlay(args)
    spec = {
        "logging": {"level": args.log_level},
        "resources": {"requests": args.requests, "limits": args.limits},
        "service": {**service, "metadata": {"labels": CUSTOM, **service.get("metadata", {})}},
    }
    return [parameters(PARAMETERS, args, {"spec": spec})]


AGENTGATEWAY = GatewayProvider(
    word=Provider.AGENTGATEWAY,
    class_name="agentgateway",
    about="agentgateway 1.0.0 with `inferenceExtension.enabled=true`. It reaches the endpoint picker over TLS by "
    "itself.",
    source="llm-d infra chart v1.4.0",
    makes="AgentgatewayParameters",
    configure=configure,
    kinds={"agentgateway.dev": Source("serving.gateway.provider", "agentgateway's CRD chart")},
    parameters=PARAMETERS,
    log_levels={level: word for level, word in SHORT_LEVELS.items() if level is not EnvoyLogLevel.CRITICAL},
    requests=REQUESTS,
    limits=LIMITS,
    refused=REFUSED_BY_OTHERS,
)

RELEASES = {
    ReleaseName.V0_6: AGENTGATEWAY,
    ReleaseName.V0_4: GatewayProvider(
        word=Provider.AGENTGATEWAY,
        class_name="agentgateway-v2",
        about="The agentgateway of kgateway 2.2.0-beta.3 with `inferenceExtension.enabled=true`.",
        source="llm-d infra chart v1.3.6",
        makes="nothing: its Service is a LoadBalancer, and a warning says so",
        service_type=ServiceType.LOAD_BALANCER,
        refused=REFUSED_BARE,
    ),
}
