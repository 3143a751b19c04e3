"""Custom resource kinds of the stacks, from the toolchain's modules or typed here.

The schemas for kgateway, agentgateway, GKE and llm-d-router hold the fields that stacks may set, typed by hand from the
files named below. The API server does not know any other field, and refuses it in a server-side apply.
"""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from sandbox.cluster.api import Api, connect, is_true
from sandbox.errors import SandboxError

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_FLAG: Schema = {"type": "boolean"}
_TEXTS: Schema = {"type": "object", "additionalProperties": _TEXT}
_QUANTITY: Schema = {"x-kubernetes-int-or-string": True}
_ANY: Schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
"""A part of Kubernetes' own API; its controller checks it."""


def _object(required: tuple[str, ...] = (), **properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, **({"required": list(required)} if required else {})}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _number(least: int, most: int) -> Schema:
    return {"type": "integer", "format": "int64", "minimum": least, "maximum": most}


def _word(*allowed: str) -> Schema:
    return {"type": "string", "enum": list(allowed)}


_SECONDS = _number(0, 31536000)
_AMOUNTS: Schema = {"type": "object", "additionalProperties": _QUANTITY}
_RESOURCES = _object(requests=_AMOUNTS, limits=_AMOUNTS)
_CONFINED = _object(
    allowPrivilegeEscalation=_FLAG,
    capabilities=_object(add=_list(_TEXT), drop=_list(_TEXT)),
    readOnlyRootFilesystem=_FLAG,
    runAsGroup=_number(0, 2**31),
    runAsNonRoot=_FLAG,
    runAsUser=_number(0, 2**31),
    seccompProfile=_object(("type",), type=_TEXT, localhostProfile=_TEXT),
)
_GATEWAY_PARAMETERS = _object(
    kube=_object(
        floatingUserId=_FLAG,
        envoyContainer=_object(
            bootstrap=_object(logLevel=_TEXT, componentLogLevels=_TEXTS),
            image=_ANY,
            resources=_RESOURCES,
            securityContext=_CONFINED,
        ),
        sdsContainer=_object(securityContext=_CONFINED),
        service=_object(
            type=_word("ClusterIP", "NodePort", "LoadBalancer", "ExternalName"),
            extraLabels=_TEXTS,
            extraAnnotations=_TEXTS,
            ports=_list(_object(("port",), port=_number(1, 65535), nodePort=_number(1, 65535))),
        ),
        podTemplate=_object(
            extraLabels=_TEXTS,
            extraAnnotations=_TEXTS,
            gracefulShutdown=_object(enabled=_FLAG, sleepTimeSeconds=_SECONDS),
            terminationGracePeriodSeconds=_SECONDS,
        ),
    )
)
"""kgateway-dev/kgateway v2.1.1 install/helm/kgateway-crds/templates/gateway.kgateway.dev_gatewayparameters.yaml."""

_DURATION = {"type": "string", "pattern": r"^([0-9]{1,5}(h|m|s|ms)){1,4}$"}
_TARGETS = _list(_object(("group", "kind", "name"), group=_TEXT, kind=_TEXT, name=_TEXT))
_LISTENER_POLICY = _object(idleTimeout=_DURATION, streamIdleTimeout=_DURATION, targetRefs=_TARGETS)
"""kgateway-dev/kgateway v2.1.1 api/v1alpha1/http_listener_policy_types.go."""

_METADATA = _object(labels=_TEXTS, annotations=_TEXTS)
_AGENTGATEWAY_PARAMETERS = _object(
    deployment=_object(metadata=_METADATA, spec=_ANY),
    image=_ANY,
    logging=_object(level=_TEXT),
    resources=_RESOURCES,
    service=_object(metadata=_METADATA, spec=_ANY),
    shutdown=_object(("min", "max"), min=_SECONDS, max=_SECONDS),
)
"""agentgateway/agentgateway v1.0.0 controller/api/v1alpha1/agentgateway/agentgateway_parameters_types.go."""

_AGENTGATEWAY_POLICY = _object(
    targetRefs=_TARGETS, frontend=_object(http=_object(http1IdleTimeout=_TEXT, maxBufferSize=_number(1, 2**31)))
)
"""agentgateway/agentgateway v1.0.0 controller/api/v1alpha1/agentgateway/agentgateway_policy_types.go."""

_TARGET = _object(("group", "kind", "name"), group=_TEXT, kind=_TEXT, name=_TEXT, namespace=_TEXT)
_HEALTH_CHECK_POLICY = _object(
    ("targetRef",),
    targetRef=_TARGET,
    default=_object(
        checkIntervalSec=_number(1, 300),
        timeoutSec=_number(1, 300),
        config=_object(
            type=_word("TCP", "HTTP", "HTTPS", "HTTP2", "GRPC"),
            httpHealthCheck=_object(port=_number(1, 65535), requestPath=_TEXT),
        ),
    ),
)
_BACKEND_POLICY = _object(
    ("targetRef",),
    targetRef=_TARGET,
    default=_object(
        timeoutSec=_number(1, 2147483647),
        logging=_object(enabled=_FLAG),
    ),
)
"""GoogleCloudPlatform/gke-gateway-api v1.4.0 config/crd/networking.gke.io_gcpbackendpolicies.yaml, and
networking.gke.io_healthcheckpolicies.yaml beside it."""

_POD_MONITORING = _object(
    ("endpoints", "selector"),
    endpoints={
        **_list(
            _object(
                ("port", "interval"),
                port=_QUANTITY,
                interval=_TEXT,
                path=_TEXT,
                scheme=_word("http", "https"),
                authorization=_object(
                    type=_TEXT, credentials=_object(secret=_object(("name", "key"), name=_TEXT, key=_TEXT))
                ),
            )
        ),
        "minItems": 1,
        "maxItems": 10,
    },
    selector=_object(matchLabels=_TEXTS, matchExpressions=_list(_ANY)),
)
"""GoogleCloudPlatform/prometheus-engine v0.17.2 charts/operator/crds/monitoring.googleapis.com_podmonitorings.yaml."""

_OBJECTIVE = _object(
    ("poolRef",),
    poolRef=_object(("name",), group=_TEXT, kind=_TEXT, name=_TEXT),
    priority={"type": "integer", "format": "int32"},
)
"""llm-d/llm-d-router v0.10.0 config/crd/bases/llm-d.ai_inferenceobjectives.yaml."""

_KINDS: tuple[tuple[str, str, str, str, Schema], ...] = (
    ("gateway.kgateway.dev", "v1alpha1", "GatewayParameters", "gatewayparameters", _GATEWAY_PARAMETERS),
    ("gateway.kgateway.dev", "v1alpha1", "HTTPListenerPolicy", "httplistenerpolicies", _LISTENER_POLICY),
    ("agentgateway.dev", "v1alpha1", "AgentgatewayParameters", "agentgatewayparameters", _AGENTGATEWAY_PARAMETERS),
    ("agentgateway.dev", "v1alpha1", "AgentgatewayPolicy", "agentgatewaypolicies", _AGENTGATEWAY_POLICY),
    ("networking.gke.io", "v1", "HealthCheckPolicy", "healthcheckpolicies", _HEALTH_CHECK_POLICY),
    ("networking.gke.io", "v1", "GCPBackendPolicy", "gcpbackendpolicies", _BACKEND_POLICY),
    ("monitoring.googleapis.com", "v1", "PodMonitoring", "podmonitorings", _POD_MONITORING),
    ("llm-d.ai", "v1alpha2", "InferenceObjective", "inferenceobjectives", _OBJECTIVE),
)


def definitions() -> Iterator[dict[str, Any]]:
    """Yield the CustomResourceDefinitions."""
    for group, version, kind, plural, spec in _KINDS:
        schema = _object(spec=spec, status=_ANY)
        yield {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": f"{plural}.{group}"},
            "spec": {
                "group": group,
                "scope": "Namespaced",
                "names": {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower()},
                "versions": [{"name": version, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
            },
        }


_PATIENCE = 120.0
_PATH = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def apply(kubeconfig: Path, folder: Path) -> None:
    """Apply the CRDs of `folder` and those typed here; wait until the API server serves all of them."""
    every = [*(json.loads(file.read_text()) for file in sorted(folder.glob("*.json"))), *definitions()]
    with connect(kubeconfig) as api, ThreadPoolExecutor(8) as together:
        list(together.map(lambda one: _apply(api, one), every))


def _apply(api: Api, wanted: dict[str, Any]) -> None:
    name = wanted["metadata"]["name"]
    path = f"{_PATH}/{name}"
    definition = api.apply(path, wanted)
    deadline = time.monotonic() + _PATIENCE
    while not is_true(definition, "Established"):
        if time.monotonic() > deadline:
            raise SandboxError(
                f"the API server did not take the CRD {name} within {_PATIENCE:.0f} s: {definition.get('status')}"
            )
        time.sleep(0.05)
        definition = api.get(path)
