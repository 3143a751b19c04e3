"""data-science-gateway: OpenShift AI's class, istio by another name (OpenShift Service Mesh).

Source: llm-d infra chart v1.4.0. A Secret in openshift-ingress may be referred to with the ReferenceGrant that is made
there, as by the chart; its name has our namespace too, because that namespace is everybody's.
"""

import pulumi

from components.gateways.istio import Istio
from components.objects import CustomObject, metadata
from components.plan.gateway_args import ModelGatewayArgs

INGRESS = "openshift-ingress"
"""Namespace of OpenShift's routers and their certificates."""


class DataScienceGateway(Istio):
    """istio of OpenShift AI."""

    def configure(self, name: str, args: ModelGatewayArgs, opts: pulumi.ResourceOptions) -> None:
        """As istio; and leave to use the certificates in OpenShift's namespace."""
        super().configure(name, args, opts)
        if secrets := lent(args):
            gateways = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "namespace": args.namespace}
            CustomObject(
                f"{name}-certificate-grant",
                api_version="gateway.networking.k8s.io/v1beta1",
                kind="ReferenceGrant",
                meta=metadata(grant(args), INGRESS, args.labels),
                spec={"from": [gateways], "to": [{"group": "", "kind": "Secret", "name": each} for each in secrets]},
                opts=opts,
            )


def lent(args: ModelGatewayArgs) -> list[str]:
    """Secrets in OpenShift's namespace that the listeners refer to."""
    return [each.name for one in args.listeners for each in one.certificates if each.namespace == INGRESS]


def grant(args: ModelGatewayArgs) -> str:
    """The ReferenceGrant for them."""
    return f"{args.namespace}-{args.name}-tls"


PROVIDER = DataScienceGateway()
