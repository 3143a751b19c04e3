"""data-science-gateway: OpenShift AI's class, istio by another name (OpenShift Service Mesh).

The stack makes a ReferenceGrant in openshift-ingress, as the chart does: the Gateway may then use Secrets there. The
name of the grant contains the stack's namespace, because many stacks use openshift-ingress.
"""

from collections.abc import Sequence
from dataclasses import replace

from components.config.vocabulary import Platform, Provider, ReleaseName
from components.gateways import istio
from components.gateways.args import ModelGatewayArgs
from components.gateways.provider import GATEWAY_API
from components.manifests import Manifest

INGRESS = "openshift-ingress"

CERTIFICATE = {"service.beta.openshift.io/serving-cert-secret-name": "data-science-gateway-service-tls"}
"""Annotation of the Service for which OpenShift makes a certificate."""


def configure(args: ModelGatewayArgs) -> Sequence[Manifest]:
    """The objects of istio, and the ReferenceGrant for certificates in `openshift-ingress`."""
    secrets = [each.name for one in args.listeners for each in one.certificates if each.namespace == INGRESS]
    if not secrets:
        return istio.configure(args)
    gateways = {"group": GATEWAY_API, "kind": "Gateway", "namespace": args.namespace}
    grant = Manifest(
        "certificate-grant",
        f"{GATEWAY_API}/v1beta1",
        "ReferenceGrant",
        f"{args.namespace}-{args.name}-tls",
        INGRESS,
        args.labels,
        {"spec": {"from": [gateways], "to": [{"group": "", "kind": "Secret", "name": each} for each in secrets]}},
    )
    return [*istio.configure(args), grant]


DATA_SCIENCE = replace(
    istio.ISTIO,
    word=Provider.DATA_SCIENCE,
    class_name="data-science-gateway-class",
    source="llm-d infra chart v1.4.0",
    configure=configure,
    service_suffix="-data-science-gateway-class",
    service_annotations=CERTIFICATE,
    platform=Platform.OPENSHIFT,
)

RELEASES = {
    **dict.fromkeys(ReleaseName, DATA_SCIENCE),
    ReleaseName.V0_4: replace(
        DATA_SCIENCE, missing="the guide's infra chart has that class since v1.4.0, of release 0.6"
    ),
}
