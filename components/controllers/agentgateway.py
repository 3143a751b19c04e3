"""agentgateway, a proxy that isn't Envoy. Source: llm-d infra charts, with inferenceExtension.enabled=true.

Release 0.4 has kgateway's agentgateway 2.2.0-beta.3 and gives it a bare Gateway, whose Service is a LoadBalancer (a
warning says so); release 0.6 has agentgateway 1.0.0.
"""

from components.config.vocabulary import EnvoyLogLevel, Provider, ReleaseName, ServiceType
from components.controllers.profile import BARE, LIMITS, NO_LOG, REQUESTS, SHORT, Controller, Parameters

AGENTGATEWAY = Controller(
    class_name="agentgateway",
    parameters=Parameters("agentgateway.dev/v1alpha1", "AgentgatewayParameters"),
    objects=Provider.AGENTGATEWAY,
    log_levels={level: word for level, word in SHORT.items() if level is not EnvoyLogLevel.CRITICAL},
    requests=REQUESTS,
    limits=LIMITS,
    refused=NO_LOG,
)

CONTROLLERS = {
    **dict.fromkeys(ReleaseName, AGENTGATEWAY),
    ReleaseName.V0_4: Controller(class_name="agentgateway-v2", service_type=ServiceType.LOAD_BALANCER, refused=BARE),
}
