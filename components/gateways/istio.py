"""istio: a ConfigMap with the proxy's Deployment and Service, a DestinationRule for the picker, optional access log.

Source: llm-d infra chart v1.3.6 and v1.4.0, inferencepool chart v1.2.0 and v1.4.0; istio 1.28.1 and newer with
ENABLE_GATEWAY_API_INFERENCE_EXTENSION=true.
"""

import pulumi
import pulumi_kubernetes as k8s
import yaml

from components.gateways.provider import GatewayProvider, overlay
from components.objects import CustomObject, metadata
from components.plan.gateway_args import ModelGatewayArgs

CONNECTIONS = 256000
"""Ceiling on connections and requests to the picker (chart): one stream per request in flight."""


class Istio(GatewayProvider):
    """istio, and a controller of another name that is istio all the same."""

    def configure(self, name: str, args: ModelGatewayArgs, opts: pulumi.ResourceOptions) -> None:
        """Parameters and, if asked for, the access log."""
        k8s.core.v1.ConfigMap(
            f"{name}-parameters",
            metadata=metadata(args.name, args.namespace, args.labels),
            data={"deployment": _deployment(args), "service": _text(overlay(args))},
            opts=opts,
        )
        if args.access_logging:
            gateway = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": args.name}
            CustomObject(
                f"{name}-access-log",
                api_version="telemetry.istio.io/v1",
                kind="Telemetry",
                meta=metadata(f"{args.name}-telemetry", args.namespace, args.labels),
                spec={"targetRefs": [gateway], "accessLogging": [{"providers": [{"name": "envoy"}]}]},
                opts=opts,
            )

    def connect(self, name: str, args: ModelGatewayArgs, opts: pulumi.ResourceOptions) -> None:
        """The rule for the picker: in its namespace, where istio looks for it from any other."""
        CustomObject(
            f"{name}-picker-rule",
            api_version="networking.istio.io/v1beta1",
            kind="DestinationRule",
            meta=metadata(args.picker, args.namespace, args.labels),
            spec=_picker_rule(args),
            opts=opts,
        )


def _deployment(args: ModelGatewayArgs) -> str:
    """Overlay on the Deployment that istiod makes for the Gateway."""
    level = str(args.log_level)
    proxy = {
        "name": "istio-proxy",
        "args": [
            *("proxy", "router", "--domain", "$(POD_NAMESPACE).svc.cluster.local"),
            *("--proxyLogLevel", level, "--proxyComponentLogLevel", f"misc:{level}"),
            *("--log_output_level", f"default:{level}"),
        ],
        "resources": {"requests": args.requests, "limits": args.limits},
    }
    return _text({"spec": {"template": {"spec": {"containers": [proxy]}}}})


def _picker_rule(args: ModelGatewayArgs) -> dict[str, object]:
    """How the proxy speaks to the picker: TLS with the picker's self-signed certificate, streams that last."""
    return {
        "host": f"{args.picker}.{args.namespace}.svc.cluster.local",
        "trafficPolicy": {
            "tls": {"mode": "SIMPLE", "insecureSkipVerify": True},
            "connectionPool": {
                "http": {
                    "http1MaxPendingRequests": CONNECTIONS,
                    "maxRequestsPerConnection": CONNECTIONS,
                    "http2MaxRequests": CONNECTIONS,
                    "idleTimeout": "900s",
                },
                "tcp": {
                    "maxConnections": CONNECTIONS,
                    "maxConnectionDuration": "1800s",
                    "connectTimeout": "900s",
                },
            },
        },
    }


def _text(document: dict[str, object]) -> str:
    return yaml.safe_dump(document, sort_keys=False)


PROVIDER = Istio()
