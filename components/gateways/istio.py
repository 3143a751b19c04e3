"""istio: a ConfigMap with the proxy's Deployment and Service, a DestinationRule for the endpoint picker, access log."""

from collections.abc import Sequence
from typing import Any

import yaml

from components.config.vocabulary import EnvoyLogLevel, Provider, ReleaseName
from components.gateways import provider
from components.gateways.args import ModelGatewayArgs
from components.manifests import Manifest

CONNECTIONS = 256000
"""Ceiling on connections and requests to the endpoint picker (chart): one stream per request in flight."""

CONNECT_TIMEOUT = "10s"
"""How long the proxy waits for a connection to the endpoint picker: istio's own default (pkg/config/mesh/mesh.go). The
chart's 900s would hold every request for 15 minutes while the picker's node is gone."""

CONFIG_MAP = provider.Parameters("v1", "ConfigMap", formerly="envoy-config")  # of the provider standalone


def configure(args: ModelGatewayArgs) -> Sequence[Manifest]:
    """The parameters and, if asked for, the access log."""
    data = {"deployment": _deployment(args), "service": _text(provider.service_overlay(args))}
    made = [provider.parameters(CONFIG_MAP, args, {"data": data})]
    if args.access_logging:
        gateway = {"group": provider.GATEWAY_API, "kind": "Gateway", "name": args.name}
        spec = {"targetRefs": [gateway], "accessLogging": [{"providers": [{"name": "envoy"}]}]}
        kind = ("telemetry.istio.io/v1", "Telemetry")
        made.append(provider.of_stack(args)("access-log", *kind, f"{args.name}-telemetry", body={"spec": spec}))
    return made


def connect(args: ModelGatewayArgs) -> Sequence[Manifest]:
    """The rule for the endpoint picker, in the picker's namespace: there istio looks for it from every namespace."""
    kind = ("networking.istio.io/v1beta1", "DestinationRule")
    return [provider.of_generation(args)("picker-rule", *kind, args.picker, body={"spec": _picker_rule(args)})]


def _deployment(args: ModelGatewayArgs) -> str:
    """Strategic merge patch for the Deployment that istiod makes for the Gateway."""
    level = str(args.log_level)
    env = {
        # After SIGTERM the agent waits for open connections, up to the pod's grace, and not for a fixed 5 s.
        "EXIT_ON_ZERO_ACTIVE_CONNECTIONS": "true",
        "ISTIO_META_IDLE_TIMEOUT": f"{args.idle_timeout}s",
    }
    proxy = {
        "name": "istio-proxy",
        "args": [
            *("proxy", "router", "--domain", "$(POD_NAMESPACE).svc.cluster.local"),
            *("--proxyLogLevel", level, "--proxyComponentLogLevel", f"misc:{level}"),
            *("--log_output_level", f"default:{level}"),
        ],
        "env": [{"name": name, "value": value} for name, value in env.items()],
        "resources": {"requests": args.requests, "limits": args.limits},
    }
    pod: dict[str, Any] = {"terminationGracePeriodSeconds": args.termination_grace, "containers": [proxy]}
    if args.confined:  # istio's own template has all else that Pod Security's level restricted demands
        pod["securityContext"] = {"seccompProfile": {"type": "RuntimeDefault"}}
    return _text({"spec": {"template": {"spec": pod}}})


def _picker_rule(args: ModelGatewayArgs) -> dict[str, Any]:
    """How the proxy speaks to the endpoint picker: TLS with the picker's self-signed certificate, long streams."""
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
                    "connectTimeout": CONNECT_TIMEOUT,
                },
            },
        },
    }


def _text(document: dict[str, Any]) -> str:
    return yaml.safe_dump(document, sort_keys=False)


ISTIO = provider.GatewayProvider(
    word=Provider.ISTIO,
    class_name="istio",
    source="llm-d infra charts v1.3.6 and v1.4.0 with the guide's values; inferencepool charts v1.2.0 and v1.4.0",
    configure=configure,
    connect=connect,
    kinds={
        "networking.istio.io": provider.Source(
            "serving.gateway.provider", "istio 1.28.1 or newer (its base chart brings the CRDs)"
        ),
        "telemetry.istio.io": provider.Source(
            "serving.gateway.accessLogging", "istio 1.28.1 or newer (its base chart brings the CRDs)"
        ),
    },
    labels={"istio.io/enable-inference-extproc": "true"},
    names_generation=True,
    settle=30,
    copies_metadata=True,
    parameters=CONFIG_MAP,
    service_suffix="-istio",
    log_levels=provider.ENVOY_LEVELS,
    log_level=EnvoyLogLevel.ERROR,
    requests={"cpu": "4", "memory": "4Gi"},
    limits={"cpu": "16", "memory": "16Gi"},
    refused=provider.REFUSED_BY_ISTIO,
)

RELEASES = dict.fromkeys(ReleaseName, ISTIO)
