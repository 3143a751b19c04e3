"""kgateway. Source: llm-d infra chart v1.3.6 (release 0.4; kgateway 2.1.1 with inferenceExtension.enabled=true).

In chart v1.4.0 (release 0.6) this provider is deprecated, and what it installs is agentgateway: class, parameters and
all.
"""

from dataclasses import replace

from components.config.vocabulary import Provider, ReleaseName
from components.controllers.agentgateway import AGENTGATEWAY
from components.controllers.profile import LIMITS, NO_LOG, REQUESTS, SHORT, Controller, Parameters

KGATEWAY = Controller(
    class_name="kgateway",
    parameters=Parameters("gateway.kgateway.dev/v1alpha1", "GatewayParameters"),
    objects=Provider.KGATEWAY,
    log_levels=SHORT,
    requests=REQUESTS,
    limits=LIMITS,
    refused={**NO_LOG, "service.load_balancer_class": "the guide's GatewayParameters have no field for it"},
)

CONTROLLERS = {
    **dict.fromkeys(
        ReleaseName,
        replace(
            AGENTGATEWAY,
            note="is deprecated in the guide: what it makes there is the Gateway of provider agentgateway, so say that",
        ),
    ),
    ReleaseName.V0_4: KGATEWAY,
}
