"""istio: a ConfigMap with the proxy's Deployment and Service, a DestinationRule for the endpoint picker, access log."""

from collections.abc import Sequence
from typing import Any

import yaml

from components.config.vocabulary import EnvoyLogLevel, Provider, ReleaseName
from components.gateways.args import ModelGatewayArgs
from components.gateways.provider import (
    ENVOY_LEVELS,
    GATEWAY_API,
    REFUSED_BY_ISTIO,
    Fact,
    GatewayProvider,
    Parameters,
    Source,
    Subject,
    parameters,
    service_overlay,
)
from components.manifests import Manifest

CONNECTIONS = 256000
"""Ceiling on connections and requests to the endpoint picker (chart): one stream per request in flight."""

CONNECT_TIMEOUT = "10s"
"""How long the proxy waits for a connection to the endpoint picker: istio's own default (pkg/config/mesh/mesh.go). The
chart's 900s would hold every request for 15 minutes while the picker's node is gone."""

CONFIG_MAP = Parameters("v1", "ConfigMap", formerly="envoy-config")  # of the provider standalone


def configure(args: ModelGatewayArgs) -> Sequence[Manifest]:
    """The parameters and, if asked for, the access log."""
    data = {"deployment": _deployment(args), "service": _text(service_overlay(args))}
    made = [parameters(CONFIG_MAP, args, {"data": data})]
    if args.access_logging:
        gateway = {"group": GATEWAY_API, "kind": "Gateway", "name": args.name}
        made.append(
            Manifest(
                "access-log",
                "telemetry.istio.io/v1",
                "Telemetry",
                f"{args.name}-telemetry",
                args.namespace,
                args.labels,
                {"spec": {"targetRefs": [gateway], "accessLogging": [{"providers": [{"name": "envoy"}]}]}},
            )
        )
    return made


def connect(args: ModelGatewayArgs) -> Sequence[Manifest]:
    """The rule for the endpoint picker, in the picker's namespace: there istio looks for it from every namespace."""
    return [
        Manifest(
            "picker-rule",
            "networking.istio.io/v1beta1",
            "DestinationRule",
            args.picker,
            args.namespace,
            args.generation_labels,
            {"spec": _picker_rule(args)},
            generation=args.generation,
        )
    ]


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


_TAGS = "istio/istio 1.28.1, 1.29.1 and eed52ebb66ad (1.31)"
_CONTROLLER = "pilot/pkg/config/kube/gateway/deploymentcontroller.go (1.31: gatewaycommon)"
_ENVOY = "envoyproxy/envoy release/v1.36"

FACTS = (
    Fact(
        Subject.DRAIN,
        "The agent lets Envoy drain, waits until no connection is open on the Gateway's ports (it looks every second, "
        "for the first time after 5 s) and ends Envoy. Connections for probes and metrics do not count. After "
        "`terminationGrace` the kubelet ends the pod, and streams that still run are cut. On an ambient mesh istio "
        "before 1.31 counts its internal listeners, too, and the pod stays for the whole grace (istio/istio#60728).",
        f"{_TAGS}: pkg/envoy/agent.go, pilot/cmd/pilot-agent/options/options.go",
    ),
    Fact(
        Subject.IDLE,
        "Envoy begins to close a connection that was idle for `idleTimeout`, and has closed it 5 s later. A replaced "
        "proxy stays for at most `idleTimeout` and 7 s because of idle connections.",
        f"{_TAGS}: pilot/pkg/networking/core/listener_builder.go; {_ENVOY}: source/common/http/conn_manager_impl.cc",
    ),
    Fact(
        Subject.METADATA,
        "istiod copies the Gateway's own to Deployment, pods and Service, unless `spec.infrastructure` has labels and "
        "annotations: the stack's Gateway has both, so a changed annotation replaces no proxy. Annotations "
        "`sidecar.istio.io/…` and `networking.istio.io/service-type` of the Gateway still change the proxy. "
        "`gateway.service.annotations` go through the parameters and reach the Service.",
        f"{_TAGS}: {_CONTROLLER}, manifests/charts/istio-control/istio-discovery/files/kube-gateway.yaml",
    ),
    Fact(
        Subject.PROGRAMMED,
        "True when the Service has an address. It says nothing about the proxy's pods.",
        f"{_TAGS}: pilot/pkg/config/kube/gateway/conversion.go (1.31: gatewaycommon) `setProgrammedCondition`",
    ),
    Fact(
        Subject.FAILURE,
        "FailOpen opens while the endpoint picker has no Ready pod, and for requests without a body. Any other failure "
        "(refused, killed, plaintext) is a 500 for the requests that meet it, with FailOpen as with FailClose. An "
        "endpoint picker that hangs keeps requests until it is not Ready; no time limit of the proxy ends them. "
        "Without the DestinationRule every request is a 500: istio speaks plaintext to the picker's TLS port.",
        f"{_ENVOY}: source/extensions/filters/http/ext_proc/ext_proc.cc `failureModeAllow`; {_TAGS}: "
        "pilot/pkg/networking/core/route/route.go",
    ),
    Fact(
        Subject.HEADERS,
        "`x-gateway-destination-endpoint` is ignored: the choice is metadata. `x-prefiller-host-port` is not removed.",
        f"{_TAGS}: pilot/pkg/networking/core/cluster_builder.go `applyOverrideHostPolicy`",
    ),
    Fact(
        Subject.WEIGHTS,
        "The endpoint picker of the last pool serves both (istio/istio#61594, repaired by #61601): requests to the "
        "other pool go to any of its workers, and their prefill header names a worker of the wrong pool.",
        f"{_TAGS}: pilot/pkg/config/kube/gateway/conversion.go `buildHTTPDestination`",
    ),
    Fact(
        Subject.SETTLE,
        "istiod collects changes for at least 100 ms and at most 10 s (`PILOT_DEBOUNCE_AFTER`, `PILOT_DEBOUNCE_MAX`) "
        "and then sends them to every proxy by its open stream. Nothing reports that all proxies have them, so the Job "
        "`settle` asks for 30 s. Answers name their generation (`x-llm-d-generation`).",
        f"{_TAGS}: pilot/pkg/features/tuning.go, pilot/pkg/xds/discovery.go `debounce`",
    ),
    Fact(
        Subject.FILTERS,
        "A CORS filter switches the endpoint picker off for its rule: any worker answers, without disaggregation. "
        "Other filters keep it.",
        f"{_TAGS}: pilot/pkg/networking/core/route/route.go",
    ),
)

ISTIO = GatewayProvider(
    word=Provider.ISTIO,
    class_name="istio",
    about="istio 1.28.1 or newer, with `ENABLE_GATEWAY_API_INFERENCE_EXTENSION=true` in istiod's environment.",
    source="llm-d infra charts v1.3.6 and v1.4.0 with the guide's values; inferencepool charts v1.2.0 and v1.4.0",
    makes="ConfigMap with parameters, DestinationRule for the endpoint picker, Telemetry for the access log",
    facts=FACTS,
    configure=configure,
    connect=connect,
    kinds={
        "networking.istio.io": Source(
            "serving.gateway.provider", "istio 1.28.1 or newer (its base chart brings the CRDs)"
        ),
        "telemetry.istio.io": Source(
            "serving.gateway.accessLogging", "istio 1.28.1 or newer (its base chart brings the CRDs)"
        ),
    },
    labels={"istio.io/enable-inference-extproc": "true"},
    names_generation=True,
    settle=30,
    copies_metadata=True,
    parameters=CONFIG_MAP,
    service_suffix="-istio",
    log_levels=ENVOY_LEVELS,
    log_level=EnvoyLogLevel.ERROR,
    requests={"cpu": "4", "memory": "4Gi"},
    limits={"cpu": "16", "memory": "16Gi"},
    refused=REFUSED_BY_ISTIO,
)

RELEASES = dict.fromkeys(ReleaseName, ISTIO)
