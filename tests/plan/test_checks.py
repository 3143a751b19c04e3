"""Every impossible combination is refused with its path, what would have happened and what to change."""

from typing import Any

import pytest

from tests.stack_file import problems

RDMA = {"resource": "rdma/ib"}
IMPOSSIBLE: list[tuple[dict[str, Any], str, str, str]] = [  # tests/corpus and tests/field have others
    # transports
    ({"decode__rdma": {"resource": "amd.com/gpu"}}, "serving.decode.rdma.resource", "GPU resource", "rdma/ib"),
    (
        {"decode__ucx__tls": "rc,rocm"},
        "serving.decode.ucx.tls",
        "the decode pods ask for no RDMA",
        "serving.decode.rdma",
    ),
    # transports of GPU memory: openucx/ucx#3776, ai-dynamo/nixl#1385
    ({"ucx__tls": "self,sm,rc", "rdma": RDMA}, "serving.ucx.tls", "no transport for memory of amd GPUs", "add rocm"),
    ({"decode__ucx__tls": "tcp,cuda"}, "serving.decode.ucx.tls", "memory of amd GPUs", "add rocm"),
    ({"accelerator": "nvidia", "ucx__tls": "self,sm,rocm,tcp"}, "serving.ucx.tls", "of nvidia GPUs", "add cuda"),
    ({"ucx__tls": "^rocm_copy"}, "serving.ucx.tls", "of amd GPUs", "take rocm and rocm_copy out"),
    (
        {"ucx__tls": "\\rc_mlx5,self,rocm", "rdma": RDMA},
        "serving.ucx.tls",
        "rc_mlx5, and no auxiliary transport",
        "write rc_x",
    ),
    # resources
    ({"decode__cpuLimit": 8}, "serving.decode.cpuLimit", "below the request 16", "raise serving.decode.cpuLimit to 16"),
    (
        {
            "accelerator": "nvidia",
            "infrastructure": "gke-roce",
            "gateway__provider": "gke",
            "decode__cpuLimit": 32,
        },
        "serving.decode.cpuLimit",
        "below the request ",
        "lower serving.decode.cpu to 32",
    ),
    (
        {"prefill__memory": "80Gi", "prefill__memoryLimit": "64Gi"},
        "serving.prefill.memoryLimit",
        "request 80Gi",
        "80Gi",
    ),
    ({"decode__resources": {"cpu": 1}}, "serving.decode.resources.cpu", "the tier's cpu and cpuLimit", "that setting"),
    ({"decode__resources": {"disk": 1}}, "serving.decode.resources.disk", "neither an extended resource", "hugepages"),
    (
        {"decode__resources": {"amd.com/gpu": 1}},
        'serving.decode.resources["amd.com/gpu"]',
        "serving.decode.tensorParallel",
        "use that setting",
    ),
    (
        {"rdma": RDMA, "decode__resources": {"rdma/ib": 1}},
        'serving.decode.resources["rdma/ib"]',
        "serving.rdma.count decides",
        "use that setting",
    ),
    (
        {"decode__resources": {"hugepages-2Mi": "3Mi"}},
        "serving.decode.resources.hugepages-2Mi",
        "no multiple of the page's size",
        "a multiple of 2Mi",
    ),
    (
        {"decode__resources": {"example.com/rail": "1500m"}},
        'serving.decode.resources["example.com/rail"]',
        "no whole number of devices",
        "whole number",
    ),
    # volumes
    (
        {"decode__volumes": [{"name": "a", "mountPath": "/a"}]},
        "serving.decode.volumes[0]",
        "says 0 things that it is",
        "one of claim, configMap, secret, emptyDir, csi and ephemeral; a folder of the node is hostPaths",
    ),
    (
        {"decode__volumes": [{"name": "a", "mountPath": "/a", "secret": "s", "configMap": "c"}]},
        "serving.decode.volumes[0]",
        "says 2 things that it is: configMap, secret",
        "one of claim",
    ),
    (
        {"decode__volumes": [{"name": "a", "mountPath": "/dev/shm/", "emptyDir": {}}]},
        "serving.decode.volumes[0].mountPath",
        "/dev/shm is decided by the tier's shmSize",
        "another mountPath",
    ),
    (
        {
            "decode__hostPaths": [{"hostPath": "/x", "mountPath": "/data"}],
            "decode__volumes": [{"name": "a", "mountPath": "/data", "emptyDir": {}}],
        },
        "serving.decode.volumes[0].mountPath",
        "decided by serving.decode.hostPaths[0].mountPath",
        "another mountPath",
    ),
    (
        {"decode__hostPaths": [{"hostPath": "/x", "mountPath": "/"}]},
        "serving.decode.hostPaths[0].mountPath",
        "hides the whole image",
        "another mountPath",
    ),
    (
        {
            "createNamespace": False,
            "model": {"name": "a/b", "claim": "w", "path": "llama/70b"},
            "decode__volumes": [{"name": "a", "mountPath": "/model-cache/llama", "emptyDir": {}}],
        },
        "serving.decode.volumes[0].mountPath",
        "hides the weights at /model-cache/llama/70b (serving.model.path)",
        "another mountPath",
    ),
    (
        {"decode__volumes": [{"name": "shm", "mountPath": "/a", "emptyDir": {}}]},
        "serving.decode.volumes[0].name",
        "the name of another volume: that of the program itself",
        "another name",
    ),
    (
        {
            "decode__volumes": [
                {"name": "a", "mountPath": "/a", "emptyDir": {}},
                {"name": "a", "mountPath": "/b", "emptyDir": {}},
            ]
        },
        "serving.decode.volumes[1].name",
        "that of serving.decode.volumes[0].name",
        "another name",
    ),
    (
        {
            "decode__hostPaths": [{"hostPath": "/x", "mountPath": "/x"}],
            "decode__volumes": [{"name": "host-0", "mountPath": "/a", "emptyDir": {}}],
        },
        "serving.decode.volumes[0].name",
        "that of a file of the node",
        "another name",
    ),
    (
        {"decode__volumes": [{"name": "a", "mountPath": "/a", "claim": "c"}]},
        "serving.decode.volumes[0].claim",
        "is made by this stack",
        "serving.createNamespace: false",
    ),
    # rights
    (
        {"accelerator": "nvidia", "security__runAsUser": 0, "decode__securityContext": {"runAsNonRoot": True}},
        "serving.decode.securityContext.runAsNonRoot",
        "vLLM runs as root (runAsUser 0",
        "runAsUser to another user",
    ),
    (
        {"hostNetwork": True, "decode__securityContext": {"allowPrivilegeEscalation": False}},
        "serving.decode.securityContext.allowPrivilegeEscalation",
        "contradicts serving.hostNetwork: true",
        "serving.hostNetwork: false",
    ),
    (
        {"rdma": RDMA, "decode__securityContext": {"dropCapabilities": ["NET_RAW", "IPC_LOCK"]}},
        "serving.decode.securityContext.dropCapabilities",
        "takes away IPC_LOCK",
        "drop ALL instead",
    ),
    (
        {"security__lockedMemory": "capability", "decode__securityContext": {"runAsUser": 1000}},
        "serving.decode.securityContext.runAsUser",
        "lockedMemory: capability gives IPC_LOCK",
        "lockedMemory node",
    ),
    # how pods are replaced
    (
        {"decode__rollout__maxUnavailable": 0},
        "serving.decode.rollout.maxUnavailable",
        "is 0, and serving.decode.rollout.maxSurge is 0, too",
        "set one of them to 1",
    ),
    (
        {"hostNetwork": True, "decode__rollout__maxSurge": 1},
        "serving.decode.rollout.maxSurge",
        "serving.hostNetwork: true ends all of them first",
        "config rm --path serving.decode.rollout.maxSurge",
    ),
    (
        {"hostNetwork": True, "decode__replicas": None},
        "serving.decode.replicas",
        "contradicts serving.hostNetwork: true, which makes it 1",
        "config rm --path serving.decode.replicas",
    ),
    # variables from elsewhere
    (
        {"decode__env": {"A": {"secret": "s", "configMap": "c", "key": "k"}}},
        "serving.decode.env.A",
        "names both a Secret and a ConfigMap",
        "{secret: name, key: key}",
    ),
    ({"decode__env": {"A": {"key": "k"}}}, "serving.decode.env.A", "names neither", "{configMap: name, key: key}"),
    (
        {"decode__env": {"HF_TOKEN": {"secret": "s", "key": "k"}}},
        "serving.decode.env.HF_TOKEN",
        "set by the program itself",
        "serving.model.tokenSecret",
    ),
    (
        {"decode__env": {"A": {"secert": "s", "key": "k"}}},
        "serving.decode.env.A.secert",
        "is not a setting; did you mean secret?",
        "secret, configMap, key, optional",
    ),
    # what a release's picker would ignore
    ({"routing__selectivePd": {}}, "serving.routing.selectivePd", "neither always nor", "{nonCachedTokens: N}"),
    # what a gateway's controller cannot apply
    (
        {"release": "0.4", "gateway": {"provider": "kgateway", "accessLogging": False}},
        "serving.gateway.accessLogging",
        "cannot be set with serving.gateway.provider: kgateway in release 0.4",
        "serving.gateway.provider: istio",
    ),
    *(
        (
            {"release": "0.4", "gateway": {"provider": "agentgateway", key: value}},
            f"serving.gateway.{key}",
            "the Gateway is bare: the guide's charts have no parameters",
            "or serving.gateway.provider: istio or kgateway or ",
        )
        for key, value in {
            "serviceType": "ClusterIP",
            "logLevel": "error",
            "cpu": 1,
            "memory": "1Gi",
            "cpuLimit": 2,
            "memoryLimit": "2Gi",
        }.items()
    ),
    *(
        (
            {"gateway": {"provider": "gke", key: value}},
            f"serving.gateway.{key}",
            wrong,
            f"config rm --path serving.gateway.{key}`, or serving.gateway.provider: istio",
        )
        for key, value, wrong in (
            ("serviceType", "LoadBalancer", "Google runs the load balancer"),
            ("logLevel", "error", "Google runs the load balancer"),
            ("cpu", 1, "Google runs the load balancer"),
            ("memoryLimit", "2Gi", "Google runs the load balancer"),
            ("accessLogging", False, "its GCPBackendPolicy always logs"),
        )
    ),
    *(
        (
            {"gateway": {"provider": provider, key: value}},
            f"serving.gateway.{key}",
            f"cannot be set with serving.gateway.provider: {provider} in release 0.6",
            "or serving.gateway.provider: gke if",
        )
        for provider in ("istio", "kgateway", "agentgateway")
        for key, value in {"exposure": "internal", "autopilot": True}.items()
    ),
    *(
        (
            {"gateway": {"provider": provider, key: value}},
            f"serving.gateway.{key}",
            f"cannot be set with serving.gateway.provider: {provider} in release 0.6: {reason}",
            "or serving.gateway.provider: standalone if",
        )
        for provider, reason in {
            **dict.fromkeys(("istio", "kgateway", "agentgateway"), "its controller decides about the proxies"),
            "gke": "Google runs the load balancer",
        }.items()
        for key, value in {"replicas": 2, "image": "envoy:1"}.items()
    ),
    (
        {"gateway": {"provider": "standalone", "exposure": "internal"}},
        "serving.gateway.exposure",
        "cannot be set with serving.gateway.provider: standalone",
        "or serving.gateway.provider: gke if",
    ),
    (
        {"gateway": {"provider": "gke"}, "monitoring__workerInterval": "5s"},
        "serving.monitoring.workerInterval",
        "Google's managed Prometheus reads",
        "GKE's automatic monitoring",
    ),
    (
        {"gateway": {"provider": "gke"}, "monitoring__labels": {"release": "llmd"}},
        "serving.monitoring.labels",
        "Google's managed Prometheus reads",
        "config rm --path serving.monitoring.labels",
    ),
    *(
        ({"gateway": {"provider": "gke"}, f"monitoring__{key}": value}, f"serving.monitoring.{key}", "Google's", "rm")
        for key, value in {"dashboards": True, "alerts": True, "runbooks": "docs", "minTransferRate": 5}.items()
    ),
    # flags and variables that the program sets
    ({"prefill__extraArgs": ["--port=1"]}, "serving.prefill.extraArgs[0]", "set by the program", "serving.ports"),
    ({"prefill__extraArgs": ["--seed=1", "-tp", "2"]}, "serving.prefill.extraArgs[1]", "set by", "tensorParallel"),
    ({"decode__extraArgs": ["--max_model_len=9"]}, "serving.decode.extraArgs[0]", "set by", "model.maxModelLen"),
    ({"decode__extraArgs": ["--max-model=9"]}, "serving.decode.extraArgs[0]", "set by", "model.maxModelLen"),
    ({"decode__extraArgs": ["--kv-transfer-config.kv_role=x"]}, "serving.decode.extraArgs[0]", "set by", "kvTransfer"),
    ({"decode__extraArgs": ["--model=x"]}, "serving.decode.extraArgs[0]", "set by the program", "serving.model.name"),
    ({"decode__extraArgs": ["-dp=2"]}, "serving.decode.extraArgs[0]", "changes how many GPUs", "replicas"),
    ({"prefill__env": {"UCX_TLS": "tcp"}}, "serving.prefill.env.UCX_TLS", "set by the program", "serving.ucx.tls"),
    ({"decode__env": {"HF_TOKEN": "x"}}, "serving.decode.env.HF_TOKEN", "set by the program", "--secret hfToken"),
    # flags and variables that break what depends on vLLM: vllm-project/production-stack#150, llm-d/llm-d-router#219
    ({"prefill__extraArgs": ["--ssl-certfile=/c"]}, "serving.prefill.extraArgs[0]", "takes away", "docs/security.md"),
    ({"prefill__extraArgs": ["--ssl-keyfile", "/k"]}, "serving.prefill.extraArgs[0]", "takes away", "docs/security.md"),
    ({"prefill__extraArgs": ["--ssl_cert=/c"]}, "serving.prefill.extraArgs[0]", "takes away", "docs/security.md"),
    ({"prefill__extraArgs": ["--seed=1", "--uds", "/s"]}, "serving.prefill.extraArgs[1]", "takes away", "delete it"),
    ({"decode__extraArgs": ["--headless"]}, "serving.decode.extraArgs[0]", "takes away", "delete it"),
    ({"decode__extraArgs": ["--host", "localhost"]}, "serving.decode.extraArgs[0]", "not every address", "0.0.0.0"),
    # what NIXL compares between the tiers: vllm-project/vllm#29503
    (
        {"prefill__extraArgs": ["--dtype=half"], "decode__extraArgs": ["--seed=1", "--dtype=bfloat16"]},
        "serving.prefill.extraArgs[0]",
        "sets --dtype to float16, and the decode tier has bfloat16",
        "the same value",
    ),
    (  # prefill has the ROCM_ATTN of tiers with different parallelism
        {"decode__extraArgs": ["--attention-config", '{"backend": "TRITON_ATTN"}']},
        "serving.decode.extraArgs[0]",
        "sets the attention backend to TRITON_ATTN, and the prefill tier has ROCM_ATTN",
        "the same value",
    ),
    # GPUs that a pod does not ask for, or that vLLM does not see: vllm-project/vllm#47846, #5790
    ({"prefill__extraArgs": ["--nnodes", "2"]}, "serving.prefill.extraArgs[0]", "changes how many", "tensorParallel"),
    (
        {"decode__env": {"HIP_VISIBLE_DEVICES": "0"}},
        "serving.decode.env.HIP_VISIBLE_DEVICES",
        "shows vLLM 1 GPUs, and serving.decode.tensorParallel is 4",
        "delete it",
    ),
    (
        {"decode__kvTransfer__extra": {"kv_role": "both"}},
        "serving.decode.kvTransfer.extra.kv_role",
        "is none of kv_producer, kv_consumer, kv_both",
        "write one",
    ),
    (
        {"decode__kvTransfer__extra": {"kv_connector": "NixlConnector"}},
        "serving.decode.kvTransfer.extra.kv_connector",
        "set by the program itself",
        "use serving.decode.kvTransfer.connector",
    ),
    (
        {"accelerator": "nvidia", "decode__kvTransfer__extra": {"kv_buffer_device": "hpu"}},
        "serving.decode.kvTransfer.extra.kv_buffer_device",
        "not a device in which vLLM 0.11 to 0.17 buffers KV blocks",
        "delete it",
    ),
    ({"model__tokenSecret": None}, "hfToken", "says that none is needed", "config rm hfToken"),
]


@pytest.mark.parametrize(("change", "path", "wrong", "remedy"), IMPOSSIBLE, ids=lambda value: str(value)[:60])
def test_an_impossible_combination_is_refused_with_path_and_remedy(
    change: dict[str, Any], path: str, wrong: str, remedy: str
) -> None:
    found = problems(**change)
    assert list(found) == [path]
    assert wrong in found[path].wrong
    assert remedy in found[path].change
    assert found[path].outcome


def test_no_token_where_the_stack_makes_the_namespace() -> None:
    found = problems(token_given=False)
    assert list(found) == ["hfToken"]
    assert "every worker would wait for it until the timeout" in found["hfToken"].outcome
    assert "serving.createNamespace: false" in found["hfToken"].change


LEGAL: list[dict[str, Any]] = [
    {},
    {"hostNetwork": True},
    {"hostNetwork": True, "rdma": RDMA},
    {"hostNetwork": True, "prefill__replicas": 1, "decode__tensorParallel": 8},
    {"hostNetwork": True, "decode__rdma": None},
    {"hostNetwork": True, "ucx__tls": "self,sm,rocm,rc"},
    {"gpusPerNode": 4},
    {"prefill__tensorParallel": 4, "prefill__replicas": 1},
    {"decode__tensorParallel": 8, "prefill__tensorParallel": 2},
    {"postfix": "p" * 33},
    {"namespace": "default", "createNamespace": False},
    {"rdma": RDMA, "decode__rdma": None, "prefill__ucx__tls": "rc,rocm"},
    {"ucx__tls": "^rc"},
    {"rdma": RDMA, "decode__securityContext": {"dropCapabilities": ["ALL"], "allowPrivilegeEscalation": False}},
    {"decode__securityContext": {"runAsUser": 1000, "runAsNonRoot": True}},
    {"accelerator": "nvidia", "decode__securityContext": {"runAsNonRoot": True}},
    {"decode__image": "a/b:1", "prefill__image": "a/b:1", "decode__securityContext": {"runAsNonRoot": True}},
    {"hostNetwork": True, "decode__securityContext": {"allowPrivilegeEscalation": True}},
    {"decode__volumes": [{"name": "host-0", "mountPath": "/.cache/triton", "emptyDir": {}}]},
    {
        "createNamespace": False,
        "model": {"name": "a/b", "claim": "w", "path": "llama"},
        "decode__volumes": [{"name": "a", "mountPath": "/model-cache/adapters", "claim": "adapters"}],
    },
    {"decode__cpu": 4, "decode__cpuLimit": 4, "decode__memory": "32Gi", "decode__memoryLimit": "64Gi"},
    {"decode__memory": "20Gi", "decode__memoryLimit": "80Gi", "decode__shmSize": "40Gi"},
    {"decode__resources": {"hugepages-2Mi": "512Mi", "hugepages-1Gi": "2Gi", "nvidia.com/rail-2": 1}},
    {"rdma": RDMA, "ucx__tls": "\\rc_mlx5,ud:aux,self,rocm"},
    {"ucx__tls": "all"},
    {"ucx__tls": "tcp,self,cuda,rocm_copy"},
    {"ucx__tls": "tcp,self", "kvTransfer__extra": {"kv_buffer_device": "cpu"}},
    {"ucx__tls": "tcp", "kvTransfer__extra": {"kv_connector_extra_config": {"backends": ["Mooncake"]}}},
    {"ucx__tls": "tcp", "kvTransfer__connector": "MooncakeConnector"},
    {"prefill__extraArgs": ["--dtype=half"], "decode__extraArgs": ["--dtype", "float16"]},
    {"prefill__extraArgs": ["--kv-cache-dtype=fp8"]},
    {"decode__image": "mirror.example/llm-d-rocm:v0.6.0"},
    {"prefill__env": {"CUDA_VISIBLE_DEVICES": "0"}},
    {"decode__env": {"ROCR_VISIBLE_DEVICES": "0,1,2,3"}},
    {"accelerator": "nvidia", "decode__env": {"HIP_VISIBLE_DEVICES": "0"}},
    {"decode__extraArgs": ["--host", "::", "-dp=1", "--nnodes", "1", "--ssl-ciphers=x", "--root-path=/x", "--seed=1"]},
    {"decode__tolerations": [{"key": "gpu", "value": "true", "effect": "NoSchedule"}]},
    {"release": "0.4", "routing__selectivePd": {"threshold": 1}},
    {
        "prefill__extraArgs": ["--attention-backend=TRITON_ATTN"],
        "decode__extraArgs": ["-ac.backend=TRITON_ATTN", "--gpu-memory-utilization", "0.9"],
    },
    {"decode__rollout__createTimeout": 1801},
    {"model__claim": "weights", "model__path": "llama", "createNamespace": False},
    {"ports__serving": 10250},
    {"release": "0.4", "gateway": {"provider": "kgateway", "logLevel": "critical", "serviceType": "NodePort"}},
    {"gateway": {"provider": "kgateway", "cpu": 1, "memoryLimit": "2Gi"}},
    {"gateway": {"provider": "kgateway"}, "postfix": "p" * 33},
    {"release": "0.4", "gateway": {"provider": "agentgateway", "await": False}},
    {"gateway": {"provider": "gke", "exposure": "internal", "autopilot": True}, "monitoring__pickerInterval": "5s"},
    {"gateway": {"provider": "standalone", "logLevel": "critical", "replicas": 2, "accessLogging": False, "cpu": 1}},
    {"gateway": {"provider": "agentgateway", "logLevel": "off", "serviceType": "LoadBalancer"}},
]


@pytest.mark.parametrize("change", LEGAL, ids=lambda value: str(value)[:60])
def test_a_legal_combination_is_not_refused(change: dict[str, Any]) -> None:
    assert problems(**change) == {}


@pytest.mark.parametrize(
    "change",
    [
        {"createNamespace": False},
        {"model__tokenSecret": None},
        {"model__tokenSecret": "null"},
    ],
    ids=str,
)
def test_a_token_is_not_demanded_where_none_is_needed_or_a_secret_can_exist(change: dict[str, Any]) -> None:
    assert problems(token_given=False, **change) == {}
