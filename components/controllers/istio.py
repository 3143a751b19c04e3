"""istio. Source: llm-d infra charts and the guide's values for them."""

from components.config.vocabulary import EnvoyLogLevel, Provider, ReleaseName
from components.controllers.profile import ENVOY, GOOGLES, PROXIES, Controller, Parameters

ISTIO = Controller(
    class_name="istio",
    labels={"istio.io/enable-inference-extproc": "true"},
    parameters=Parameters("v1", "ConfigMap"),
    objects=Provider.ISTIO,
    service_suffix="-istio",
    log_levels=ENVOY,
    log_level=EnvoyLogLevel.ERROR,
    requests={"cpu": "4", "memory": "4Gi"},
    limits={"cpu": "16", "memory": "16Gi"},
    refused={**GOOGLES, **PROXIES},
)

CONTROLLERS = dict.fromkeys(ReleaseName, ISTIO)
