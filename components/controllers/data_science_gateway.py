"""OpenShift AI's class, istio by another name (OpenShift Service Mesh). Source: llm-d infra chart v1.4.0.

istio names what it makes for a Gateway after its class.
"""

from dataclasses import replace

from components.config.vocabulary import Platform, Provider, ReleaseName
from components.controllers.istio import ISTIO

CERTIFICATE = {"service.beta.openshift.io/serving-cert-secret-name": "data-science-gateway-service-tls"}
"""By this OpenShift makes the Service a certificate."""

DATA_SCIENCE = replace(
    ISTIO,
    class_name="data-science-gateway-class",
    objects=Provider.DATA_SCIENCE,
    service_suffix="-data-science-gateway-class",
    service_annotations=CERTIFICATE,
    platform=Platform.OPENSHIFT,
)

CONTROLLERS = {
    **dict.fromkeys(ReleaseName, DATA_SCIENCE),
    ReleaseName.V0_4: replace(
        DATA_SCIENCE, missing="the guide's infra chart has that class since v1.4.0, of release 0.6"
    ),
}
