"""Settings of the workers, and their effect on the pods."""

from typing import Any

import pytest

from tests.program.wire import AMD, containers, environment, made, pod, vllm, worker

UCX = {
    "tls": "self,sm,rocm,rc",
    "netDevices": ["mlx5_0:1", "mlx5_2:1"],
    "ibGidIndex": 3,
    "ibTrafficClass": 41,
    "logLevel": "info",
    "protoInfo": True,
}
ROLES = ("prefill", "decode")
EXISTING = {"createNamespace": False}
"""What must exist before the pods can only be in a namespace that does."""


def _resources(serving: dict[str, Any]) -> dict[str, dict[str, str]]:
    return {role: vllm(made({**AMD, **serving}), role)["resources"]["limits"] for role in ROLES}


def test_all_six_ucx_variables_reach_both_tiers() -> None:
    for role in ROLES:
        assert {
            "UCX_TLS": "self,sm,rocm,rc",
            "UCX_NET_DEVICES": "mlx5_0:1,mlx5_2:1",
            "UCX_IB_GID_INDEX": "3",
            "UCX_IB_TRAFFIC_CLASS": "41",
            "UCX_LOG_FILE": "stderr",
            "UCX_LOG_LEVEL": "info",
            "UCX_PROTO_INFO": "y",
        }.items() <= environment(made({**AMD, "ucx": UCX}), role).items()


def test_a_tiers_ucx_variables_go_over_the_stacks_one_by_one() -> None:
    recorder = made({**AMD, "ucx": UCX, "decode": {"ucx": {"ibGidIndex": 0, "protoInfo": False}}})
    assert environment(recorder, "prefill")["UCX_IB_GID_INDEX"] == "3"
    decode = environment(recorder, "decode")
    assert (decode["UCX_IB_GID_INDEX"], decode["UCX_PROTO_INFO"]) == ("0", "n")
    assert decode["UCX_TLS"] == "self,sm,rocm,rc"


def test_rdma_one_device_for_each_gpu() -> None:
    limits = _resources({"rdma": {"resource": "nvidia.com/sriov-rdma-vf", "count": "tensorParallel"}})
    assert limits["prefill"]["nvidia.com/sriov-rdma-vf"] == "1"
    assert limits["decode"]["nvidia.com/sriov-rdma-vf"] == "4"


def test_rdma_of_one_tier_and_none_of_the_other() -> None:
    limits = _resources({"prefill": {"rdma": {"resource": "rdma/roce_gdr", "count": 2}}, "decode": {"rdma": None}})
    assert limits["prefill"]["rdma/roce_gdr"] == "2"
    assert not [name for each in limits.values() for name in each if name == "rdma/ib"]
    assert set(limits["decode"]) == {"cpu", "memory", "amd.com/gpu"}


def test_every_port_is_said_the_same_wherever_it_is_said() -> None:
    recorder = made({**AMD, "ports": {"serving": 9000, "decodeVllm": 9200, "nixl": 9700}})
    for role, port in (("prefill", 9000), ("decode", 9200)):
        container = vllm(recorder, role)
        assert {each["name"]: each["containerPort"] for each in container["ports"]} == {"vllm": port, "nixl": 9700}
        assert f"--port={port}" in container["args"]
        assert environment(recorder, role)["VLLM_NIXL_SIDE_CHANNEL_PORT"] == "9700"
    [sidecar] = pod(recorder, "decode")["initContainers"]
    assert [each["containerPort"] for each in sidecar["ports"]] == [9000]
    assert {"--port=9000", "--model-server-port=9200"} <= set(sidecar["args"])
    [backend] = recorder.objects["HTTPRoute/llm-d-pd-disaggregation"]["spec"]["rules"][0]["backendRefs"]
    assert backend["port"] == 9000
    assert recorder.objects["InferencePool/gaie-pd"]["spec"]["targetPorts"] == [{"number": 9000}]


def test_own_environment_is_added_and_sorted() -> None:
    recorder = made({**AMD, "prefill": {"env": {"ZZZ": 1, "AITER_JIT_DIR": "/.aiter", "FLAG": True}}})
    names = [each["name"] for each in vllm(recorder, "prefill")["env"]]
    assert names == sorted(names)
    assert len(set(names)) == len(names)
    assert environment(recorder, "prefill").items() >= {"ZZZ": "1", "AITER_JIT_DIR": "/.aiter", "FLAG": "true"}.items()


def test_the_log_level_is_spelled_as_python_spells_it() -> None:
    recorder = made({**AMD, "decode": {"logLevel": "debug"}})
    assert environment(recorder, "decode")["VLLM_LOGGING_LEVEL"] == "DEBUG"
    assert "VLLM_LOGGING_LEVEL" not in environment(recorder, "prefill")


def test_extra_arguments_come_last_as_written() -> None:
    extra = ["--gpu-memory-utilization=0.9", "--enforce-eager"]
    args = vllm(made({**AMD, "prefill": {"extraArgs": extra}}), "prefill")["args"]
    assert args[-2:] == extra


def test_an_attention_backend_of_the_users_takes_the_place_of_the_programs() -> None:
    own = {"extraArgs": ["--attention-backend=TRITON_ATTN"]}
    recorder = made({**AMD, "prefill": own, "decode": own})
    for role in ROLES:
        chosen = [arg for arg in vllm(recorder, role)["args"] if "attention" in arg]
        assert chosen == ["--attention-backend=TRITON_ATTN"]


def test_equal_parallelism_needs_no_attention_backend() -> None:
    recorder = made({**AMD, "prefill": {"tensorParallel": 4, "replicas": 1}})
    assert not [arg for role in ROLES for arg in vllm(recorder, role)["args"] if "attention" in arg]


def test_the_mirror_takes_the_registrys_place_in_release_images_only() -> None:
    mirror = {"mirror": "registry.example.com/ghcr"}
    serving = {**AMD, "release": "0.6", "images": mirror, "decode": {"image": "ghcr.io/me/vllm:1"}}
    assert sorted(each["image"] for each in containers(made(serving))) == [
        "ghcr.io/me/vllm:1",
        "registry.example.com/ghcr/llm-d/llm-d-inference-scheduler:v0.7.1",
        "registry.example.com/ghcr/llm-d/llm-d-rocm:v0.6.0",
        "registry.example.com/ghcr/llm-d/llm-d-routing-sidecar:v0.7.1",
    ]


def test_pull_secrets_and_policy_are_everybodys() -> None:
    recorder = made({**AMD, **EXISTING, "images": {"pullSecrets": ["one", "two"], "pullPolicy": "Never"}})
    for key, each in recorder.objects.items():
        if key.startswith("Deployment/"):
            assert each["spec"]["template"]["spec"]["imagePullSecrets"] == [{"name": "one"}, {"name": "two"}]
    assert {each["imagePullPolicy"] for each in containers(recorder)} == {"Never"}


@pytest.mark.parametrize("role", ROLES)
def test_weights_in_a_claim_are_read_only_and_need_no_token(role: str) -> None:
    model = {"name": "amd/Llama-3.3-70B-Instruct-FP8-KV", "claim": "weights", "path": "llama/70b"}
    recorder = made({**AMD, **EXISTING, "model": model})
    [storage] = [each for each in pod(recorder, role)["volumes"] if each["name"] == "model-storage"]
    assert storage == {"name": "model-storage", "persistentVolumeClaim": {"claimName": "weights", "readOnly": True}}
    container = vllm(recorder, role)
    [mount] = [each for each in container["volumeMounts"] if each["name"] == "model-storage"]
    assert mount == {"name": "model-storage", "mountPath": "/model-cache", "readOnly": True}
    assert container["args"][0] == "/model-cache/llama/70b"
    assert "--served-model-name=amd/Llama-3.3-70B-Instruct-FP8-KV" in container["args"]
    assert "HF_TOKEN" not in [each["name"] for each in container["env"]]


def test_a_claim_without_a_path_is_the_cache_and_written_to() -> None:
    recorder = made({**AMD, **EXISTING, "model": {**AMD["model"], "claim": "cache"}})
    [storage] = [each for each in pod(recorder, "decode")["volumes"] if each["name"] == "model-storage"]
    assert storage == {"name": "model-storage", "persistentVolumeClaim": {"claimName": "cache"}}
    assert vllm(recorder, "decode")["args"][0] == AMD["model"]["name"]
    assert "HF_TOKEN" in [each["name"] for each in vllm(recorder, "decode")["env"]]


def test_host_paths_are_mounted() -> None:
    library = {"hostPath": "/usr/local/lib/lib.so", "mountPath": "/usr/lib/lib.so", "type": "File"}
    device = {"hostPath": "/dev/infiniband", "mountPath": "/dev/infiniband", "readOnly": False}
    recorder = made({**AMD, "decode": {"hostPaths": [library, device]}})
    volumes = [each for each in pod(recorder, "decode")["volumes"] if "hostPath" in each]
    mounts = {each["name"]: each for each in vllm(recorder, "decode")["volumeMounts"]}
    assert [each["hostPath"]["path"] for each in volumes] == ["/usr/local/lib/lib.so", "/dev/infiniband"]
    assert volumes[0]["hostPath"]["type"] == "File"
    assert [(mounts[each["name"]]["mountPath"], mounts[each["name"]]["readOnly"]) for each in volumes] == [
        ("/usr/lib/lib.so", True),
        ("/dev/infiniband", False),
    ]
    assert not [each for each in pod(recorder, "prefill")["volumes"] if "hostPath" in each]


def test_the_users_affinity_is_kept_beside_the_one_of_host_network_mode() -> None:
    required = "requiredDuringSchedulingIgnoredDuringExecution"
    own = {"labelSelector": {"matchLabels": {"app": "noisy"}}, "topologyKey": "kubernetes.io/hostname"}
    node = {required: {"nodeSelectorTerms": [{"matchExpressions": [{"key": "gpu", "operator": "Exists"}]}]}}
    affinity = {"nodeAffinity": node, "podAntiAffinity": {required: [own]}}
    serving = {**AMD, "prefill": {"affinity": affinity}}
    assert pod(made(serving), "prefill")["affinity"] == affinity
    host = pod(made({**serving, "hostNetwork": True}), "prefill")["affinity"]
    assert host["nodeAffinity"] == node
    assert host["podAntiAffinity"][required] == [
        own,
        {
            "labelSelector": {"matchLabels": {"llm-d.ai/instance": "pd", "llm-d.ai/role": "decode"}},
            "topologyKey": "kubernetes.io/hostname",
        },
    ]


def test_capabilities_alone_do_not_make_a_pod_privileged() -> None:
    by_nodes = {"security": {"lockedMemory": "node"}}
    recorder = made({**AMD, **by_nodes, "prefill": {"capabilities": ["NET_RAW"]}})
    assert vllm(recorder, "prefill")["securityContext"] == {"capabilities": {"add": ["NET_RAW"]}}
    assert "securityContext" not in vllm(recorder, "decode")
    host = made({**AMD, "hostNetwork": True, "prefill": {"capabilities": ["IPC_LOCK", "NET_RAW"]}})
    assert vllm(host, "prefill")["securityContext"]["capabilities"]["add"] == ["IPC_LOCK", "NET_RAW", "SYS_PTRACE"]


def test_user_and_group() -> None:
    recorder = made({**AMD, "security": {"runAsUser": 0, "fsGroup": 3000, "lockedMemory": "node"}})
    for role in ROLES:
        assert vllm(recorder, role)["securityContext"] == {"runAsUser": 0, "runAsGroup": 0}
        assert pod(recorder, role)["securityContext"] == {"fsGroup": 3000, "fsGroupChangePolicy": "OnRootMismatch"}
        assert "securityContext" not in pod(made(AMD), role)


def test_placement_and_annotations_are_the_tiers_own() -> None:
    prefill = {
        "nodeSelector": {"pool": "gpu"},
        "tolerations": [{"key": "amd.com/gpu", "effect": "NoSchedule"}],
        "priorityClass": "high",
        "runtimeClass": "nvidia",
        "scheduler": "volcano",
        "labels": {"kueue.x-k8s.io/queue-name": "gpus"},
        "annotations": {"k8s.v1.cni.cncf.io/networks": "vf"},
    }
    recorder = made({**AMD, "prefill": prefill})
    spec = pod(recorder, "prefill")
    assert (spec["nodeSelector"], spec["priorityClassName"]) == ({"pool": "gpu"}, "high")
    assert (spec["runtimeClassName"], spec["schedulerName"]) == ("nvidia", "volcano")
    assert spec["tolerations"] == [{"key": "amd.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]
    template = worker(recorder, "prefill")["spec"]["template"]
    assert template["metadata"]["annotations"] == {"k8s.v1.cni.cncf.io/networks": "vf"}
    deployment = worker(recorder, "prefill")
    for labels in (deployment["metadata"]["labels"], template["metadata"]["labels"]):
        assert labels.items() >= {"kueue.x-k8s.io/queue-name": "gpus", "llm-d.ai/role": "prefill"}.items()
    assert deployment["spec"]["selector"]["matchLabels"] == {"llm-d.ai/instance": "pd", "llm-d.ai/role": "prefill"}
    assert (
        not {"nodeSelector", "tolerations", "priorityClassName", "runtimeClassName", "schedulerName"}
        & pod(recorder, "decode").keys()
    )
