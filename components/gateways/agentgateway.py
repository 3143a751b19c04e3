"""agentgateway: a proxy of its own, not Envoy. AgentgatewayParameters with log level, resources and Service.

Release 0.4 has kgateway's agentgateway 2.2.0-beta.3 and gives it a bare Gateway, with a Service of type LoadBalancer;
release 0.6 has agentgateway 1.0.0. In that chart the Service is a LoadBalancer, too; here it is a ClusterIP by default,
because it has no login.
"""

from collections.abc import Sequence
from typing import Any

from components.config.vocabulary import EnvoyLogLevel, Provider, ReleaseName, ServiceType
from components.gateways.args import ModelGatewayArgs
from components.gateways.provider import (
    LIMITS,
    REFUSED_BARE,
    REFUSED_BY_OTHERS,
    REQUESTS,
    SHORT_LEVELS,
    TIME_NOT_PROOF,
    Fact,
    GatewayProvider,
    Parameters,
    Source,
    Subject,
    parameters,
    service_overlay,
)
from components.manifests import Manifest

PARAMETERS = Parameters("agentgateway.dev/v1alpha1", "AgentgatewayParameters")

SHORTEST = 10
"""Seconds that a proxy which ends goes on accepting connections (agentgateway's own default)."""

PROFILE = {"type": "RuntimeDefault"}
"""seccomp profile of the proxy's pods on OpenShift and at Pod Security's level restricted."""

CUSTOM = {"gateway": "custom"}
"""Label of the Service in the charts for agentgateway and kgateway; kgateway's pods have it, too."""


def configure(args: ModelGatewayArgs) -> Sequence[Manifest]:
    """The parameters."""
    service, grace = service_overlay(args), args.termination_grace
    assert grace, "the plan decides it for every provider that does not take its grace in full"
    spec = {
        "logging": {"level": args.log_level},
        "resources": {"requests": args.requests, "limits": args.limits},
        **({"image": {"registry": args.registry}} if args.registry else {}),
        "shutdown": {"min": min(SHORTEST, grace), "max": grace},
        "service": {**service, "metadata": {"labels": CUSTOM, **service.get("metadata", {})}},
        **({"deployment": _deployment(args)} if args.floating_user or args.confined else {}),
    }
    return [parameters(PARAMETERS, args, {"spec": spec})]


def _deployment(args: ModelGatewayArgs) -> dict[str, Any]:
    """Strategic merge patch for the controller's Deployment: no user of its own, and a seccomp profile.

    The controller names user 10101, which OpenShift refuses (llm-d/llm-d
    guides/recipes/gateway/agentgateway-openshift/gateway-parameters.yaml).
    """
    pod: dict[str, Any] = {"securityContext": {"seccompProfile": PROFILE}}
    if args.floating_user:
        confined = {
            "$patch": "replace",
            "runAsNonRoot": True,
            "readOnlyRootFilesystem": True,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": PROFILE,
        }
        pod["containers"] = [{"name": "agentgateway", "securityContext": confined}]
    return {"spec": {"template": {"spec": pod}}}


_TAG = "agentgateway/agentgateway v1.0.0"
_BETA = "kgateway-dev/kgateway v2.2.0-beta.3"
_GRACE = "crates/core/src/drain.rs `run_with_drain`, crates/agentgateway/src/proxy/gateway.rs `run_bind`"
_EXT_PROC = "crates/agentgateway/src/http/ext_proc.rs"

_SHARED = (
    Fact(
        Subject.IDLE,
        "A proxy that ends closes them at once. A running proxy closes them after 10 minutes; an AgentgatewayPolicy "
        "has `spec.frontend.http.http1IdleTimeout`, which behind Google's load balancer must exceed 600 s.",
        f"{_TAG}: crates/agentgateway/src/lib.rs `http1_idle_timeout`, controller/api/v1alpha1/agentgateway/"
        "agentgateway_policy_types.go",
    ),
    Fact(
        Subject.METADATA,
        "Only labels and annotations of `spec.infrastructure` are copied, never the Gateway's own.",
        f"{_TAG}: controller/pkg/kgateway/deployer/agentgateway_parameters.go; {_BETA}: pkg/kgateway/deployer/"
        "agentgateway_parameters.go",
    ),
    Fact(
        Subject.PROGRAMMED,
        "True unless the translation failed. It says nothing about the proxy's pods.",
        f"{_TAG}: controller/pkg/agentgateway/translator/gateway_collection.go; {_BETA}: pkg/reports/status.go",
    ),
    Fact(
        Subject.FAILURE,
        "FailOpen keeps the whole body, up to 2 MiB, until the endpoint picker has answered, and opens for each "
        "failure: refused, killed, plaintext, no pod; a bigger body is a 500. FailClose: 500. An endpoint picker that "
        "hangs keeps requests, because the route has no time limit.",
        f"{_TAG}: {_EXT_PROC}, crates/agentgateway/src/proxy/httpproxy.rs",
    ),
    Fact(
        Subject.HEADERS,
        "`x-gateway-destination-endpoint` is obeyed, if it names a worker of the pool, while the endpoint picker fails "
        "open. `x-prefiller-host-port` is not removed.",
        f"{_TAG}: {_EXT_PROC} `mutate_request`",
    ),
    Fact(
        Subject.WEIGHTS,
        "Each pool has its own endpoint picker.",
        "kubernetes-sigs/gateway-api-inference-extension: conformance/reports/v1.4.0/gateway/agentgateway/"
        "inference-v1.0.0-report.yaml",
    ),
    TIME_NOT_PROOF,
)

FACTS = (
    Fact(
        Subject.DRAIN,
        "The proxy accepts connections for 10 s more, then ends each with its next answer. After `terminationGrace` "
        "the kubelet ends the pod, and streams that still run are cut; a proxy without requests ends after 10 s.",
        f"{_TAG}: {_GRACE}, controller/pkg/kgateway/helm/agentgateway/templates/deployment.yaml",
    ),
    *_SHARED,
)

FACTS_BARE = (
    Fact(
        Subject.DRAIN,
        "The proxy accepts connections for 10 s more, then ends each with its next answer. After 60 s the kubelet ends "
        "the pod, and streams that still run are cut; a proxy without requests ends after 10 s.",
        f"{_BETA}: pkg/kgateway/helm/agentgateway/templates/deployment.yaml; its proxy 0.11: crates/core/src/drain.rs",
    ),
    *_SHARED,
)

AGENTGATEWAY = GatewayProvider(
    word=Provider.AGENTGATEWAY,
    class_name="agentgateway",
    about="agentgateway 1.0.0 with `inferenceExtension.enabled=true`. It reaches the endpoint picker over TLS by "
    "itself.",
    source="llm-d infra chart v1.4.0",
    makes="AgentgatewayParameters",
    facts=FACTS,
    configure=configure,
    kinds={"agentgateway.dev": Source("serving.gateway.provider", "agentgateway's CRD chart")},
    parameters=PARAMETERS,
    registry="cr.agentgateway.dev",
    log_levels={level: word for level, word in SHORT_LEVELS.items() if level is not EnvoyLogLevel.CRITICAL},
    requests=REQUESTS,
    limits=LIMITS,
    refused={
        **REFUSED_BY_OTHERS,
        "idle_timeout": "AgentgatewayParameters have no field for it; an AgentgatewayPolicy of your own has "
        "spec.frontend.http.http1IdleTimeout",
    },
)

RELEASES = {
    **dict.fromkeys(ReleaseName, AGENTGATEWAY),
    ReleaseName.V0_4: GatewayProvider(
        word=Provider.AGENTGATEWAY,
        class_name="agentgateway-v2",
        about="The agentgateway of kgateway 2.2.0-beta.3 with `inferenceExtension.enabled=true`.",
        source="llm-d infra chart v1.3.6",
        makes="nothing: its Service is a LoadBalancer, and a warning says so",
        facts=FACTS_BARE,
        service_type=ServiceType.LOAD_BALANCER,
        fixed_user=10101,
        refused=REFUSED_BARE,
    ),
}
