"""Every setting with another value than its default, and the resources that it changes."""

import copy
import re
from typing import Any, NamedTuple

from components.config.vocabulary import Preset, ReleaseName
from components.releases import RELEASES

TIERS = ("prefill", "decode")
WORKERS = {f"{tier}-deployment" for tier in TIERS}
PICKER = {"endpoint-picker-deployment"}
PICKER_CONFIG = PICKER | {"endpoint-picker-config"}
POOL = {"inference-pool-pool"}
PARAMETERS = {"model-gateway-parameters"}
NAMESPACE = {"serving-namespace-namespace"}
ACCOUNT = {"serving-namespace-workers"}
TOKEN = {"serving-namespace-token"}
BUDGETS = {f"{tier}-disruption-budget" for tier in TIERS}
TIER_MONITORS = {"monitoring-prefill", "monitoring-decode"}
MONITORS = TIER_MONITORS | {"monitoring-picker"}
DASHBOARDS = {"monitoring-dashboard-serving", "monitoring-dashboard-disaggregation"}
ALERTS = {"monitoring-alerts"}
FLOW = PICKER_CONFIG | {"monitoring-dashboard-disaggregation"}
"""The queues of the EPP: its configuration, and two panels."""
ONE = [{"name": "one", "priority": 1}]
WATCHING = MONITORS | DASHBOARDS | ALERTS
METRICS = {
    f"endpoint-picker-metrics-{what}"
    for what in ("role", "role-binding", "token", "reader", "reader-role", "reader-role-binding")
}
RIGHTS = {"endpoint-picker-account", "endpoint-picker-role", "endpoint-picker-role-binding"}
ROUTE = {"model-gateway-route"}
RULE = {"model-gateway-picker-rule"}
GATEWAY = {"model-gateway-gateway"}
ALL = (
    *(WORKERS | PICKER_CONFIG | POOL | PARAMETERS | NAMESPACE | ACCOUNT | TOKEN | WATCHING | METRICS | RIGHTS),
    *(ROUTE | RULE | GATEWAY | BUDGETS | {"endpoint-picker-service"}),
)
OWN_NAMESPACE = {"createNamespace": False}
"""What must exist before the pods can only be in a namespace that does."""


TRACED = {"tracing.endpoint": "http://otel:4317"}
CLAIM = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
OWN = RELEASES[ReleaseName.V0_6].picker_config(16, Preset.LOAD_AWARE).document()


class Change(NamedTuple):
    """A setting's other value, what it changes, and the settings that it needs besides."""

    value: Any
    reaches: set[str]
    given: dict[str, Any] = {}


def with_setting(serving: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Settings with another value at a path, in which `[]` is the first item of a list."""
    result = copy.deepcopy(serving)
    *above, last = re.sub(r"\[\]", ".0", path).split(".")
    at: Any = result
    for key in above:
        at = at[0] if key == "0" else at.setdefault(key, {})
    at[last] = value
    return result


def _taints(holder: str, reaches: set[str]) -> dict[str, Change]:
    """Settings of a list of tolerations."""
    equal = {f"{holder}.tolerations": [{"key": "gpu", "operator": "Equal", "value": "old"}]}
    return {
        f"{holder}.tolerations[].key": Change("other", reaches, equal),
        f"{holder}.tolerations[].operator": Change(
            "Exists", reaches, {f"{holder}.tolerations": [{"operator": "Equal"}]}
        ),
        f"{holder}.tolerations[].value": Change("new", reaches, equal),
        f"{holder}.tolerations[].effect": Change("NoSchedule", reaches, equal),
        f"{holder}.tolerations[].tolerationSeconds": Change(
            60, reaches, {f"{holder}.tolerations": [{"key": "gpu", "effect": "NoExecute"}]}
        ),
    }


def _ucx(holder: str, reaches: set[str]) -> dict[str, Change]:
    return {
        f"{holder}.tls": Change("self,sm,rocm,rc", reaches),
        f"{holder}.netDevices": Change(["mlx5_0:1", "mlx5_2:1"], reaches),
        f"{holder}.ibGidIndex": Change(3, reaches),
        f"{holder}.ibTrafficClass": Change(41, reaches),
        f"{holder}.logLevel": Change("info", reaches),
        f"{holder}.protoInfo": Change(True, reaches),
    }


NIXL_WITHIN = {
    f"{tier}.kvTransfer.extra": {"kv_connector_extra_config": {"connectors": [{"kv_connector": "NixlConnector"}]}}
    for tier in TIERS
}


def _volumes(tier: str, own: set[str]) -> dict[str, Change]:
    def change(field: str, value: Any, **source: Any) -> tuple[str, Change]:
        given = {
            f"{tier}.volumes": [{"name": "a", "mountPath": "/a", **(source or {"emptyDir": {"sizeLimit": "1Gi"}})}]
        }
        return f"{tier}.volumes[].{field}", Change(
            value, own, {**given, **(OWN_NAMESPACE if "claim" in source else {})}
        )

    return dict(
        [
            change("name", "b"),
            change("mountPath", "/b"),
            change("readOnly", True),
            change("subPath", "b"),
            change("claim", "b", claim="a"),
            change("configMap", "b", configMap="a"),
            change("secret", "b", secret="a"),
            change("emptyDir.sizeLimit", "2Gi"),
            change("emptyDir.medium", "Memory"),
            change("csi", {"driver": "b.example.com"}, csi={"driver": "a.example.com"}),
            change("ephemeral", {"volumeClaimTemplate": {"spec": CLAIM}}, ephemeral={"volumeClaimTemplate": {}}),
        ]
    )


def _tier(tier: str) -> dict[str, Change]:
    own = {f"{tier}-deployment"}
    paths = {f"{tier}.hostPaths": [{"hostPath": "/a", "mountPath": "/b", "type": "File"}]}
    return {
        f"{tier}.replicas": Change(3, own),
        f"{tier}.cpu": Change("12", own),
        f"{tier}.cpuLimit": Change("32", own),
        f"{tier}.memory": Change("100Gi", own),
        f"{tier}.memoryLimit": Change("2Ti", own),
        f"{tier}.resources": Change({"hugepages-2Mi": "512Mi"}, own),
        f"{tier}.shmSize": Change("20Gi", own),
        f"{tier}.image": Change("registry.example.com/vllm:1", own),
        f"{tier}.extraArgs": Change(["--gpu-memory-utilization=0.9"], own),
        **{
            f"{tier}.env.A.{key}": Change(value, own, {f"{tier}.env": {"A": given}})
            for key, value, given in (
                ("secret", "other", {"secret": "s3", "key": "k"}),
                ("configMap", "other", {"configMap": "s3", "key": "k"}),
                ("key", "other", {"secret": "s3", "key": "k"}),
                ("optional", True, {"secret": "s3", "key": "k"}),
            )
        },
        f"{tier}.logLevel": Change("debug", own),
        f"{tier}.rdma.resource": Change("rdma/roce_gdr", own, {f"{tier}.rdma": {"resource": "rdma/ib"}}),
        f"{tier}.rdma.count": Change(2, own, {f"{tier}.rdma": {"resource": "rdma/ib"}}),
        f"{tier}.rdma.network": Change("rails/rail-0", own, {f"{tier}.rdma": {"resource": "rdma/ib"}}),
        **_ucx(f"{tier}.ucx", own),
        f"{tier}.nodeSelector": Change({"pool": "gpu"}, own),
        **_taints(tier, own),
        f"{tier}.affinity": Change({"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}}, own),
        f"{tier}.annotations": Change({"k8s.v1.cni.cncf.io/networks": "vf"}, own),
        f"{tier}.labels": Change({"kueue.x-k8s.io/queue-name": "gpus"}, own | {f"{tier}-disruption-budget"}),
        f"{tier}.priorityClass": Change("high", own),
        f"{tier}.runtimeClass": Change("nvidia", own),
        f"{tier}.scheduler": Change("volcano", own),
        f"{tier}.capabilities": Change(["NET_RAW"], own),
        f"{tier}.hostPaths[].hostPath": Change("/c", own, paths),
        f"{tier}.hostPaths[].mountPath": Change("/c", own, paths),
        f"{tier}.hostPaths[].type": Change("Directory", own, paths),
        f"{tier}.hostPaths[].readOnly": Change(False, own, paths),
        **_volumes(tier, own),
        f"{tier}.securityContext.runAsUser": Change(1000, own),
        f"{tier}.securityContext.runAsGroup": Change(1000, own),
        f"{tier}.securityContext.runAsNonRoot": Change(True, own, {f"{tier}.securityContext": {"runAsUser": 1000}}),
        f"{tier}.securityContext.supplementalGroups": Change([44], own),
        f"{tier}.securityContext.allowPrivilegeEscalation": Change(False, own),
        f"{tier}.securityContext.readOnlyRootFilesystem": Change(True, own),
        f"{tier}.securityContext.dropCapabilities": Change(["ALL"], own),
        f"{tier}.securityContext.seccompProfile": Change("RuntimeDefault", own),
        f"{tier}.kvTransfer.connector": Change("MultiConnector", own, NIXL_WITHIN),
        f"{tier}.kvTransfer.failurePolicy": Change("recompute", own),
        f"{tier}.kvTransfer.leaseSeconds": Change(60, own, {"release": "0.9"}),
        f"{tier}.kvTransfer.backends": Change(["UCX"], own),
        f"{tier}.kvTransfer.extra": Change({"kv_role": "kv_both", "kv_buffer_size": 1e10}, own),
        f"{tier}.rollout.startupBudget": Change(3600, own | ALERTS),
        f"{tier}.rollout.terminationGrace": Change(90, own if tier == "prefill" else own | PARAMETERS),
        f"{tier}.rollout.maxUnavailable": Change(2, own),
        f"{tier}.rollout.maxSurge": Change(1, own),
        f"{tier}.rollout.createTimeout": Change(9999, own),
        f"{tier}.rollout.updateTimeout": Change(9999, own),
    }


NODE_PORT = {
    "gateway.serviceType": "NodePort",
    "gateway.http": True,
    "gateway.tls": {"certificateRefs": [{"name": "a"}]},
    "gateway.service": {"ports": [{"port": 80, "nodePort": 30080}]},
}
BALANCED = {"gateway.serviceType": "LoadBalancer"}
TLS = {"gateway.tls": {"certificateRefs": [{"name": "a", "namespace": "b"}]}}
INGRESS = {"gateway.ingress": {"host": "a.example.com"}}
EXISTING = {"gateway.existing": {"name": "a", "namespace": "b", "listener": "c"}}
ENVOY = {"gateway.provider": "standalone"}
LOCKED = {"security.level": "locked"}
API_KEY = {"security.apiKey": {"secret": "keys"}, **OWN_NAMESPACE}
POLICIES = {f"network-isolation-{who}" for who in ("picker", *TIERS)}

TRIAL: dict[str, Any] = {
    "requests": 3,
    "maxErrors": 1,
    "prompt": "a prompt",
    "url": "http://gateway.example.com",
    "headers": {"a": "b"},
    "caSecret": "ca",
}

GATEWAYS: dict[str, Change] = {
    "rollout.strategy": Change("blueGreen", set()),
    "rollout.settle": Change(5, set()),
    **{
        f"rollout.trial.{key}": Change(value, reaches, {"rollout.trial": {"header": "x-a"}})
        for key, value, reaches in (
            ("header", "x-b", {"model-gateway-trial-route", "model-gateway-trial"}),
            *((key, value, {"model-gateway-trial"}) for key, value in TRIAL.items()),
        )
    },
    "gateway.provider": Change("kgateway", GATEWAY | PARAMETERS | RULE | WORKERS),
    "gateway.existing.name": Change("z", ROUTE, EXISTING),
    "gateway.existing.namespace": Change("z", ROUTE, EXISTING),
    "gateway.existing.listener": Change("z", ROUTE, EXISTING),
    "gateway.existing.url": Change("https://z.example.com", set(), EXISTING),  # the stack outputs alone
    "gateway.route.hostnames": Change(["z.example.com"], ROUTE),
    "gateway.route.path": Change("/llama", ROUTE),
    "gateway.route.headers": Change({"x-model": "llama"}, ROUTE),
    "gateway.labels": Change({"istio.io/rev": "canary"}, GATEWAY),
    "gateway.http": Change(False, GATEWAY, TLS),
    "gateway.tls.certificateRefs[].name": Change("z", GATEWAY, TLS),
    "gateway.tls.certificateRefs[].namespace": Change("z", GATEWAY, TLS),
    "gateway.tls.port": Change(8443, GATEWAY, TLS),
    "gateway.service.annotations": Change({"a.example.com/b": "c"}, PARAMETERS),
    "gateway.service.loadBalancerClass": Change("example.com/nlb", PARAMETERS, BALANCED),
    "gateway.service.ports[].port": Change(443, PARAMETERS, NODE_PORT),
    "gateway.service.ports[].nodePort": Change(30081, PARAMETERS, NODE_PORT),
    "gateway.ingress.host": Change("z.example.com", {"model-gateway-ingress"}, INGRESS),
    "gateway.ingress.className": Change("nginx", {"model-gateway-ingress"}, INGRESS),
    "gateway.ingress.annotations": Change({"a.example.com/b": "c"}, {"model-gateway-ingress"}, INGRESS),
    "gateway.ingress.tlsSecret": Change("certificate", {"model-gateway-ingress"}, INGRESS),
    "gateway.requestTimeout": Change(600, {"model-gateway-gcpbackendpolicy"}, {"gateway.provider": "gke"}),
    "gateway.terminationGrace": Change(300, PARAMETERS | NAMESPACE),
    "gateway.idleTimeout": Change(75, PARAMETERS),
    "gateway.exposure": Change("internal", GATEWAY, {"gateway.provider": "gke"}),
    "gateway.autopilot": Change(True, {"model-gateway-token-role-binding"}, {"gateway.provider": "gke"}),
    "gateway.await": Change(False, GATEWAY),
    "gateway.serviceType": Change("LoadBalancer", PARAMETERS),
    "gateway.logLevel": Change("debug", PARAMETERS),
    "gateway.accessLogging": Change(True, {"model-gateway-access-log"}),
    "gateway.replicas": Change(2, {"model-gateway-envoy"}, ENVOY),
    "gateway.image": Change("registry.example.com/envoy:1", {"model-gateway-envoy"}, ENVOY),
    "gateway.cpu": Change("1", PARAMETERS),
    "gateway.memory": Change("1Gi", PARAMETERS),
    "gateway.cpuLimit": Change("8", PARAMETERS),
    "gateway.memoryLimit": Change("8Gi", PARAMETERS),
}

SECURITY: dict[str, Change] = {
    "security.level": Change("locked", POLICIES | {"network-isolation"}),
    "security.gatewayRanges": Change(["192.0.2.0/24"], POLICIES, LOCKED),
    "security.monitoringNamespace": Change({"team": "watchers"}, POLICIES, LOCKED),
    "security.podSecurity": Change("null", NAMESPACE),
    "security.apiKey.secret": Change("other", WORKERS, API_KEY),
    "security.apiKey.key": Change("other", WORKERS, API_KEY),
    "security.runAsUser": Change(0, WORKERS),
    "security.lockedMemory": Change("node", WORKERS | NAMESPACE),
    "security.fsGroup": Change(3000, WORKERS),
}

EVERY_SETTING: dict[str, Change] = {
    "accelerator": Change("nvidia", WORKERS | BUDGETS),
    "model.name": Change("amd/other", WORKERS | BUDGETS),
    "model.servedName": Change("llama", WORKERS),
    "model.maxModelLen": Change(8192, WORKERS | PARAMETERS),  # decode's grace, and with it the gateway's
    "model.blockSize": Change(64, WORKERS),
    "model.storage": Change("300Gi", WORKERS),
    "model.claim": Change("weights", WORKERS, OWN_NAMESPACE),
    "model.path": Change("llama", WORKERS | TOKEN, {**OWN_NAMESPACE, "model.claim": "weights"}),
    "model.tokenSecret": Change("my-token", WORKERS | TOKEN),
    "release": Change(
        "0.4",
        WORKERS | PICKER_CONFIG | POOL | ALERTS | DASHBOARDS | {"endpoint-picker-role", "endpoint-picker-service"},
    ),
    "namespace": Change("elsewhere", set(ALL)),
    "createNamespace": Change(False, NAMESPACE | ACCOUNT | TOKEN),  # the latter two: their edge to the first
    "postfix": Change("two", set(ALL)),
    "cluster.context": Change("other", {"cluster"}),
    "cluster.identifier": Change("blue", set()),
    "hostNetwork": Change(True, WORKERS),
    "gpuResource": Change("amd.com/cpx_nps4", WORKERS),
    "gpusPerNode": Change(4, WORKERS, {"hostNetwork": True}),
    "rdma.resource": Change("rdma/roce_gdr", WORKERS),
    "rdma.count": Change(2, WORKERS),
    "rdma.network": Change("rails/rail-0", WORKERS),
    "infrastructure": Change("rdma-sriov", WORKERS),
    **_ucx("ucx", WORKERS),
    "kvTransfer.connector": Change("MoRIIOConnector", WORKERS, {"release": "0.9"}),
    "kvTransfer.failurePolicy": Change("recompute", WORKERS),
    "kvTransfer.leaseSeconds": Change(60, WORKERS, {"release": "0.9"}),
    "kvTransfer.backends": Change(["UCX", "GDS"], WORKERS),
    "kvTransfer.extra": Change({"kv_buffer_device": "cpu"}, WORKERS),
    **GATEWAYS,
    **SECURITY,
    "routing.selectivePd.threshold": Change({"threshold": 100}, PICKER_CONFIG | ALERTS, {"release": "0.4"}),
    "routing.selectivePd.nonCachedTokens": Change({"nonCachedTokens": 16}, PICKER_CONFIG | ALERTS),
    "routing.preset": Change("load-aware", PICKER_CONFIG),
    "routing.config": Change(OWN, PICKER_CONFIG | ALERTS, {"release": "0.6"}),
    "routing.flowControl.maxBytes": Change("1Gi", FLOW),
    "routing.flowControl.maxRequests": Change(100, FLOW, {"release": "0.9"}),
    "routing.flowControl.requestTtl": Change(30, FLOW),
    "routing.flowControl.saturation.queueDepth": Change(1, FLOW),
    "routing.flowControl.saturation.kvCache": Change(0.5, FLOW),
    "routing.flowControl.saturation.concurrency": Change(8, FLOW, {"release": "0.9"}),
    **{
        f"routing.flowControl.priorities[].{field}": Change(value, reaches, {"routing.flowControl.priorities": ONE})
        for field, value, reaches in (
            # The workers wait for the pool's objects.
            ("name", "other", WORKERS | {"inference-pool-gaie-pd-one", "inference-pool-gaie-pd-other"}),
            ("priority", 2, PICKER_CONFIG | {"inference-pool-gaie-pd-one"}),
            ("fairness", "roundRobin", PICKER_CONFIG),
            ("ordering", "edf", PICKER_CONFIG),
            ("maxBytes", "1M", PICKER_CONFIG),
        )
    },
    "routing.experimentalPlugins": Change(True, PICKER, {"release": "0.9"}),
    "routing.peakPrefillThroughput": Change(5000, PICKER_CONFIG, {"release": "0.9"}),
    "routing.replicas": Change(2, PICKER | {"endpoint-picker-role"}),
    "routing.failureMode": Change("FailClose", POOL),
    "routing.verbosity": Change(4, PICKER),
    "routing.image": Change("registry.example.com/epp:1", PICKER),
    "routing.cpu": Change("1", PICKER),
    "routing.memory": Change("1Gi", PICKER),
    "routing.memoryLimit": Change("20Gi", PICKER),
    "routing.nodeSelector": Change({"pool": "cpu"}, PICKER),
    **_taints("routing", PICKER),
    **_tier("prefill"),
    "prefill.tensorParallel": Change(2, {"prefill-deployment"}),
    **_tier("decode"),
    "decode.tensorParallel": Change(8, {"decode-deployment"}),
    "decode.sidecar.cpu": Change(4, {"decode-deployment"}),
    "decode.sidecar.memory": Change("4Gi", {"decode-deployment"}),
    "decode.sidecar.image": Change("registry.example.com/sidecar:1", {"decode-deployment"}),
    "decode.sidecar.prefillRetries": Change(2, {"decode-deployment"}, {"release": "0.9"}),
    "decode.sidecar.prefillRetryBackoff": Change(500, {"decode-deployment"}, {"release": "0.9"}),
    "decode.sidecar.logLevel": Change("error", {"decode-deployment"}),
    "ports.serving": Change(9000, POOL | ROUTE | WORKERS),
    "ports.decodeVllm": Change(9200, {"decode-deployment"}),
    "ports.nixl": Change(5700, WORKERS),
    "images.mirror": Change("registry.example.com/ghcr", WORKERS | PICKER),
    "images.mirrors": Change({"ghcr.io/llm-d": "registry.example.com:5000/llm-d"}, PICKER | {"decode-deployment"}),
    "images.pullSecrets": Change(["pull"], WORKERS | PICKER, OWN_NAMESPACE),
    "images.pullPolicy": Change("IfNotPresent", WORKERS | PICKER),
    "monitoring.enabled": Change(False, WATCHING | METRICS | PICKER | WORKERS),
    "monitoring.dashboards": Change(False, DASHBOARDS),
    "monitoring.alerts": Change(False, ALERTS),
    "monitoring.runbooks": Change("https://docs.example.com/llm-d-pd", ALERTS),
    "monitoring.minTransferRate": Change(300, ALERTS),
    "monitoring.labels": Change({"release": "llmd"}, WATCHING),
    "monitoring.workerInterval": Change("15s", TIER_MONITORS),
    "monitoring.pickerInterval": Change("5s", {"monitoring-picker"}),
    "tracing.endpoint": Change("http://other:4317", PICKER | WORKERS, TRACED),
    "tracing.sampling": Change(1, PICKER | WORKERS, TRACED),
    "tracing.detailed": Change(True, WORKERS, TRACED),
}
