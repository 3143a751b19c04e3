"""Values of an infrastructure, settings that override its fields, and settings that contradict it."""

import json
from typing import Any

import pytest

from components.plan import resolve
from components.plan.serving_plan import ServingPlan
from components.plan.worker_args import ResolvedTier
from components.pods.containers import security
from tests.stack_file import problems, settings

MULTUS = "k8s.v1.cni.cncf.io/networks"
VF = "nvidia.com/sriov-rdma-vf"
NVIDIA = {"accelerator": "nvidia"}
UNPRIVILEGED = {**NVIDIA, "release": "0.6"}
"""The user of its image is not root."""
GKE = {**NVIDIA, "infrastructure": "gke-roce"}
EFA = {**NVIDIA, "infrastructure": "aws-efa"}


def plan(**changes: Any) -> ServingPlan:
    assert problems(**changes) == {}
    return resolve(settings(**changes))


def decode(**changes: Any) -> ResolvedTier:
    return plan(**changes).decode.worker


class TestNetworksFollowDevices:
    @pytest.mark.parametrize("gpus", [1, 2, 4, 8])
    def test_one_function_and_one_attachment_for_each_gpu(self, gpus: int) -> None:
        worker = decode(infrastructure="oci-amd", decode__tensorParallel=gpus)
        attached = json.loads(worker.annotations[MULTUS])
        assert worker.resources[VF] == str(gpus)
        assert [each["interface"] for each in attached] == [f"net{index}" for index in range(1, gpus + 1)]
        assert {(each["namespace"], each["name"]) for each in attached} == {("default", "sriov-rdma-vf")}

    def test_a_count_of_ones_own_moves_both(self) -> None:
        worker = decode(infrastructure="rdma-sriov", rdma={"count": 2})
        assert (worker.resources[VF], len(json.loads(worker.annotations[MULTUS]))) == ("2", 2)

    def test_a_network_in_the_pods_namespace_has_none_in_the_annotation(self) -> None:
        worker = decode(infrastructure="rdma-sriov", rdma={"network": "rail", "count": 1})
        assert json.loads(worker.annotations[MULTUS]) == [{"name": "rail", "interface": "net1"}]

    def test_a_network_needs_no_infrastructure(self) -> None:
        worker = decode(rdma={"resource": "rdma/x", "count": "tensorParallel", "network": "a/b"})
        assert (worker.resources["rdma/x"], len(json.loads(worker.annotations[MULTUS]))) == ("4", 4)


class TestOverriding:
    """Each field on its own; the others stay the infrastructure's."""

    def test_the_device(self) -> None:
        serving = plan(infrastructure="rdma-sriov", rdma={"resource": "amd.com/nic"}, decode__rdma={"network": "a/b"})
        assert (serving.prefill.worker.resources["amd.com/nic"], serving.decode.worker.resources[VF]) == ("1", "4")
        assert json.loads(serving.decode.worker.annotations[MULTUS])[3] == {
            "name": "b",
            "namespace": "a",
            "interface": "net4",
        }

    def test_ucx_one_by_one(self) -> None:
        serving = plan(infrastructure="oci-amd", ucx={"ibGidIndex": 1}, decode__ucx={"tls": "rc,tcp,rocm"})
        assert serving.prefill.worker.ucx == {"UCX_IB_GID_INDEX": "1", "UCX_TLS": "rc,ud,sm,self,rocm"}
        assert serving.decode.worker.ucx == {"UCX_IB_GID_INDEX": "1", "UCX_TLS": "rc,tcp,rocm"}

    def test_annotations_by_key(self) -> None:
        given = {"networking.gke.io/default-interface": "eth1", "a": "b"}
        annotations = decode(**GKE, decode__annotations=given).annotations
        assert annotations.items() >= given.items()
        assert "rdma-7" in annotations["networking.gke.io/interfaces"]

    def test_an_attachment_by_hand_that_fits(self) -> None:
        worker = decode(infrastructure="rdma-sriov", decode__annotations={MULTUS: "a, a, b, b"})
        assert worker.annotations == {MULTUS: "a, a, b, b"}

    def test_variables_by_name(self) -> None:
        env = {"UCX_SOCKADDR_TLS_PRIORITY": "rdmacm", "NCCL_EXCLUDE_IB_HCA": "mlx5_0"}
        assert decode(**NVIDIA, infrastructure="openshift-roce", decode__env=env).env == {**env, "USER": "llm-d"}

    def test_capabilities_as_a_list(self) -> None:
        base = {**NVIDIA, "infrastructure": "openshift-roce"}
        assert decode(**base, decode__capabilities=["IPC_LOCK"]).capabilities == ["IPC_LOCK"]
        assert plan(**base, decode__capabilities=["IPC_LOCK"]).prefill.worker.capabilities == [
            "IPC_LOCK", "NET_ADMIN", "NET_RAW", "SYS_RAWIO",
        ]  # fmt: skip

    def test_files_by_mount_path(self) -> None:
        own = [{"hostPath": "/opt/gib", "mountPath": "/usr/local/gib"}, {"hostPath": "/x", "mountPath": "/y"}]
        found = {each.mount_path: each.host_path for each in decode(**GKE, decode__hostPaths=own).host_paths}
        assert found == {
            "/usr/local/nvidia": "/home/kubernetes/bin/nvidia",
            "/usr/local/gib": "/opt/gib",
            "/y": "/x",
        }

    def test_nodes_by_label(self) -> None:
        label = "node.kubernetes.io/instance-type"
        worker = decode(**EFA, decode__nodeSelector={label: "p5.48xlarge"}, decode__rdma={"count": 16})
        assert worker.placement.node_selector == {label: "p5.48xlarge"}
        assert worker.resources["vpc.amazonaws.com/efa"] == "16"

    def test_tolerations_beside(self) -> None:
        worker = decode(infrastructure="digitalocean", decode__tolerations=[{"key": "dedicated"}])
        assert [each.key for each in worker.placement.tolerations] == ["amd.com/gpu", "dedicated"]
        shared = decode(infrastructure="digitalocean", gpuResource="amd.com/cpx_nps4").placement.tolerations
        assert [each.key for each in shared] == ["amd.com/gpu", "amd.com/cpx_nps4"], "the taint keeps the usual name"

    def test_the_transfer_by_field(self) -> None:
        extra = {"kv_connector_extra_config": {"num_threads": 4}, "kv_load_failure_policy": "fail"}
        assert decode(**EFA, kvTransfer__extra=extra).kv_transfer == {
            "kv_connector": "NixlConnector",
            "kv_role": "kv_consumer",
            "kv_connector_extra_config": {"backends": ["LIBFABRIC"], "num_threads": 4},
            "kv_load_failure_policy": "fail",
        }

    def test_the_transfer_within_several_connectors(self) -> None:
        """vLLM's NixlConnector reads its own entry, and MultiConnector nothing but the list."""
        host_memory = {"kv_connector": "OffloadingConnector", "kv_role": "kv_both"}
        nixl: dict[str, Any] = {"kv_connector": "NixlConnector", "kv_role": "kv_both"}
        extra = {"kv_connector_extra_config": {"connectors": [host_memory, nixl]}}
        made = decode(**EFA, kvTransfer__connector="MultiConnector", kvTransfer__extra=extra).kv_transfer
        assert made["kv_connector_extra_config"] == {
            "connectors": [host_memory, {**nixl, "kv_connector_extra_config": {"backends": ["LIBFABRIC"]}}]
        }
        own: dict[str, Any] = {**nixl, "kv_connector_extra_config": {"backends": ["UCX"]}}
        extra = {"kv_connector_extra_config": {"connectors": [own]}}
        made = decode(**EFA, kvTransfer__connector="MultiConnector", kvTransfer__extra=extra).kv_transfer
        assert made["kv_connector_extra_config"] == {"connectors": [own]}

    def test_image_and_size(self) -> None:
        worker = decode(**GKE, decode__cpu=64, decode__memory="512Gi", decode__shmSize="9Gi", decode__image="x:1")
        assert (worker.resources["cpu"], worker.resources["memory"]) == ("64", "512Gi")
        assert (worker.shm_size, worker.image.name) == ("9Gi", "x:1")

    def test_the_mirror_also_has_the_infrastructures_image(self) -> None:
        image = decode(**EFA, images__mirror="m.example.com", release="0.6").image
        assert image.name == "m.example.com/llm-d/llm-d-aws:v0.6.0"

    def test_a_release_without_an_image_with_images_of_ones_own(self) -> None:
        assert decode(**EFA, release="0.4", prefill__image="x:1", decode__image="x:1").image.name == "x:1"


class TestWholeNodes:
    def test_a_worker_takes_all_gpus_and_uses_tensor_parallel_of_them(self) -> None:
        serving = plan(**GKE, prefill__tensorParallel=4, decode__replicas=2)
        prefill, second = serving.prefill.worker, serving.decode.worker
        assert (prefill.replicas, prefill.tensor_parallel, prefill.resources["nvidia.com/gpu"]) == (1, 4, "8")
        assert (second.replicas, second.tensor_parallel, second.gpus) == (2, 8, 8)

    def test_unused_gpus_are_noted(self) -> None:
        assert plan(**GKE).notes == []
        [note] = plan(**GKE, prefill__tensorParallel=4).notes
        assert "a prefill pod takes the 8 GPUs of its node and uses 4 (serving.prefill.tensorParallel)" in note


class TestCapabilities:
    """Images of nvidia run as user 2000 in release 0.6, whom an added capability does not reach."""

    @pytest.mark.parametrize(
        ("changes", "concerned"),
        [
            (
                {"infrastructure": "rdma-sriov", "security__runAsUser": 1000},
                "IPC_LOCK of the prefill and decode workers",
            ),
            ({"hostNetwork": True}, "IPC_LOCK, SYS_PTRACE of the prefill and decode workers has no effect"),
            ({"decode__capabilities": ["IPC_LOCK"]}, "IPC_LOCK of the decode workers has no effect"),
            ({"infrastructure": "rdma-sriov"}, None),
            ({"infrastructure": "aws-efa"}, None),
            ({"infrastructure": "rdma-sriov", "prefill__image": "own", "decode__image": "own"}, None),
            ({"infrastructure": "openshift-roce"}, None),
            ({"infrastructure": "rdma-sriov", "accelerator": "amd"}, None),
            ({}, None),
        ],
        ids=str,
    )
    def test_one_without_effect_is_said(self, changes: dict[str, Any], concerned: str | None) -> None:
        notes = [note for note in plan(**{**UNPRIVILEGED, **changes}).notes if "has no effect" in note]
        assert [note[: len(concerned or "")] for note in notes] == ([concerned] if concerned else [])

    def test_a_user_of_ones_own(self) -> None:
        worker = plan(accelerator="nvidia", infrastructure="rdma-sriov", security__runAsUser=0).prefill.worker
        context = security(worker)
        assert context is not None
        assert (context["runAsUser"], context["runAsGroup"]) == (0, 0)
        other = security(plan(accelerator="nvidia", security__runAsUser=1000).prefill.worker)
        assert other is not None
        assert (other["runAsUser"], other.get("runAsGroup")) == (1000, None)


RDMA = {"rdma": {"resource": "rdma/ib"}}


class TestLockedMemory:
    """By accelerator, infrastructure and setting: capabilities, the user of vLLM's container, and the warning."""

    @pytest.mark.parametrize(
        ("changes", "capabilities", "user", "warned"),
        [
            # auto: IPC_LOCK where the image's user is root, else the limit of the nodes, which is not known
            (RDMA, ["IPC_LOCK"], None, False),
            ({**RDMA, "accelerator": "nvidia"}, ["IPC_LOCK"], None, False),
            ({**RDMA, **UNPRIVILEGED}, [], None, True),
            ({}, [], None, False),
            ({"accelerator": "nvidia"}, [], None, False),
            ({"infrastructure": "rdma-shared"}, ["IPC_LOCK"], None, False),
            ({**RDMA, "decode__image": "own", "prefill__image": "own"}, [], None, False),
            ({**RDMA, "decode__capabilities": [], "prefill__capabilities": []}, [], None, False),
            # auto: the infrastructure knows
            ({"infrastructure": "aks", "accelerator": "nvidia"}, [], None, False),
            ({"infrastructure": "aks"}, [], None, False),
            ({"infrastructure": "coreweave", "accelerator": "nvidia"}, [], None, False),
            ({"infrastructure": "rdma-sriov", **UNPRIVILEGED}, ["IPC_LOCK"], 0, False),
            ({"infrastructure": "aws-efa", **UNPRIVILEGED}, ["IPC_LOCK"], 0, False),
            ({"infrastructure": "oci-amd"}, ["IPC_LOCK"], None, False),
            # said
            ({**RDMA, "accelerator": "nvidia", "security__lockedMemory": "node"}, [], None, False),
            ({**RDMA, "security__lockedMemory": "node"}, [], None, False),
            ({"infrastructure": "oci-amd", "security__lockedMemory": "node"}, [], None, False),
            ({**RDMA, **UNPRIVILEGED, "security__lockedMemory": "capability"}, ["IPC_LOCK"], 0, False),
            ({**RDMA, "decode__image": "own", "security__lockedMemory": "capability"}, ["IPC_LOCK"], 0, False),
            ({"security__lockedMemory": "capability"}, ["IPC_LOCK"], None, False),
        ],
        ids=str,
    )
    def test_what_locks_it(
        self, changes: dict[str, Any], capabilities: list[str], user: int | None, *, warned: bool
    ) -> None:
        found = plan(**changes)
        assert (found.decode.worker.capabilities, found.decode.worker.run_as_user) == (capabilities, user)
        said = [note for note in found.notes if note.startswith("RDMA of the prefill and decode workers depends on")]
        assert bool(said) is warned
        for note in said:
            assert "Please set max locked memory (ulimit -l) to 'unlimited'" in note
            assert "serving.security.lockedMemory node` ends this warning" in note

    def test_a_capability_for_a_user_that_it_does_not_reach_is_refused(self) -> None:
        changes: Any = {"security__lockedMemory": "capability", "security__runAsUser": 1000}
        found = problems(**changes)
        assert list(found) == ["serving.security.lockedMemory"]
        assert "makes user 1000" in found["serving.security.lockedMemory"].wrong
        assert problems(security__lockedMemory="capability", security__runAsUser=0) == {}

    def test_weights_on_a_claim_belong_to_the_user_that_writes_them(self) -> None:
        claim = {**RDMA, **UNPRIVILEGED, "model__claim": "weights", "createNamespace": False}
        assert plan(**claim).decode.worker.fs_group == 2000
        assert plan(**claim, security__lockedMemory="capability").decode.worker.fs_group is None


class TestNamespace:
    @pytest.mark.parametrize(
        ("changes", "level"),
        [
            ({"infrastructure": "rdma-sriov"}, "privileged"),
            ({"infrastructure": "aks"}, None),
            ({"decode__capabilities": ["IPC_LOCK"]}, "privileged"),
            ({"prefill__hostPaths": [{"hostPath": "/opt/topology", "mountPath": "/topology"}]}, "privileged"),
            ({"security__podSecurity": "baseline"}, "baseline"),
            ({**UNPRIVILEGED, "security__podSecurity": "restricted"}, "restricted"),
            ({"security__podSecurity": "privileged"}, "privileged"),
            ({"hostNetwork": True, "security__podSecurity": None}, None),
            ({"hostNetwork": True, "security__podSecurity": "null"}, None),
        ],
        ids=str,
    )
    def test_a_namespace_of_the_stack_admits_what_the_workers_have(
        self, changes: dict[str, Any], level: str | None
    ) -> None:
        assert plan(**changes).namespace.pod_security == level

    def test_no_label_is_said_where_the_workers_may_need_it(self) -> None:
        [note] = plan(hostNetwork=True, security__podSecurity=None).notes
        assert note.startswith("serving.security.podSecurity: null gives the namespace llm-d-pd no label")

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            (
                {"hostNetwork": True, "security__podSecurity": "baseline"},
                ["spec.hostNetwork of prefill (the host's network)", "securityContext.privileged of decode"],
            ),
            (
                {"infrastructure": "rdma-sriov", "security__podSecurity": "baseline"},
                ["spec.containers[vllm].securityContext.capabilities.add of decode (the capabilities IPC_LOCK)"],
            ),
            (
                {"prefill__hostPaths": [{"hostPath": "/a", "mountPath": "/a"}], "security__podSecurity": "restricted"},
                ["spec.volumes[host-0].hostPath of prefill (files of the node (hostPath))"],
            ),
            ({"security__podSecurity": "restricted"}, ["the prefill and decode images of amd do"]),
            (
                {"accelerator": "nvidia", "security__runAsUser": 0, "security__podSecurity": "restricted"},
                ["spec.containers[vllm].securityContext.runAsUser of prefill (root (runAsUser 0))"],
            ),
        ],
        ids=str,
    )
    def test_a_level_that_does_not_admit_the_workers_is_refused(
        self, changes: dict[str, Any], words: list[str]
    ) -> None:
        found = problems(**changes)
        assert list(found) == ["serving.security.podSecurity"]
        assert all(each in found["serving.security.podSecurity"].wrong for each in words)

    def test_ipc_lock_has_another_way(self) -> None:
        baseline: dict[str, Any] = {"rdma": {"resource": "rdma/ib"}, "security__podSecurity": "baseline"}
        assert "lockedMemory node" in problems(**baseline)["serving.security.podSecurity"].change
        assert problems(**baseline, security__lockedMemory="node") == {}

    def test_of_another_it_says_what_to_label(self) -> None:
        [note] = plan(infrastructure="rdma-sriov", createNamespace=False).notes
        assert note.startswith("the workers have the capabilities IPC_LOCK, which Pod Security admits at the level")
        assert "kubectl label namespace llm-d-pd" in note


def test_every_contradiction_is_reported_at_once() -> None:
    found = problems(infrastructure="gke-roce", hostNetwork=True, gpusPerNode=4, rdma={"resource": "rdma/ib"})
    assert list(found) == [
        "serving.gpusPerNode", "serving.hostNetwork", "serving.infrastructure", "serving.rdma",
    ]  # fmt: skip
