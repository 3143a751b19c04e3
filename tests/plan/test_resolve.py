"""Decisions of the plan: values that follow from settings."""

import json
from typing import Any

import pytest

from components.plan import resolve
from components.plan.checks.files import MOUNTED, VOLUMES
from components.plan.serving_plan import ServingPlan
from components.pods import vllm, volumes
from components.releases.vllm import (
    ALIASES,
    COUNTING_FLAGS,
    PAIR_FLAGS,
    SERVERS_FLAG,
    SET_FLAGS,
    SET_VARIABLES,
    flag_of,
)
from tests.stack_file import settings


def plan(**changes: Any) -> ServingPlan:
    return resolve(settings(**changes))


class TestTopology:
    def test_the_guides_four_prefill_and_one_decode(self) -> None:
        prefill, decode = plan().prefill.worker, plan().decode.worker
        assert (prefill.replicas, prefill.resources["amd.com/gpu"]) == (4, "1")
        assert (decode.replicas, decode.resources["amd.com/gpu"]) == (1, "4")

    @pytest.mark.parametrize(("accelerator", "resource"), [("amd", "amd.com/gpu"), ("nvidia", "nvidia.com/gpu")])
    def test_host_network_takes_a_node_per_role(self, accelerator: str, resource: str) -> None:
        serving = plan(accelerator=accelerator, hostNetwork=True, rdma={"resource": "rdma/ib"})
        for worker, other in (
            (serving.prefill.worker, serving.decode.worker),
            (serving.decode.worker, serving.prefill.worker),
        ):
            assert (worker.replicas, worker.tensor_parallel, worker.resources[resource]) == (1, 8, "8")
            assert worker.placement.apart_from == other.selector
            assert worker.rollout.strategy == "Recreate"
            assert worker.capabilities == ["IPC_LOCK", "SYS_PTRACE"]
            assert worker.shm_size == "64Gi"
            assert "rdma/ib" not in worker.resources
        assert serving.namespace.pod_security == "privileged"

    def test_in_a_foreign_namespace_host_network_says_what_to_label(self) -> None:
        [note] = plan(hostNetwork=True, createNamespace=False).notes
        assert "kubectl label namespace llm-d-pd pod-security.kubernetes.io/enforce=privileged" in note


class TestAttention:
    """ROCM_ATTN makes KV blocks of different tensor parallelism fit each other; equal tiers do not need it."""

    @pytest.mark.parametrize(
        ("changes", "backend"),
        [
            ({}, "ROCM_ATTN"),
            ({"accelerator": "nvidia"}, None),
            ({"decode__tensorParallel": 1}, None),
            ({"hostNetwork": True}, None),
        ],
        ids=str,
    )
    def test_only_on_amd_with_mixed_tensor_parallelism(self, changes: dict[str, Any], backend: str | None) -> None:
        assert plan(**changes).prefill.worker.attention_backend == backend
        assert plan(**changes).decode.worker.attention_backend == backend

    def test_the_users_own_backend_stands_alone(self) -> None:
        decode = plan(decode__extraArgs=["--attention-backend=TRITON_ATTN"]).decode.worker
        assert [flag for flag in vllm.arguments(decode) if "attention" in flag] == ["--attention-backend=TRITON_ATTN"]


class TestRdma:
    def test_the_stacks_device_for_both_tiers_and_a_tiers_own_before_it(self) -> None:
        serving = plan(
            rdma={"resource": "rdma/ib", "count": "tensorParallel"},
            prefill__rdma={"resource": "rdma/roce_gdr", "count": 2},
        )
        assert serving.prefill.worker.resources["rdma/roce_gdr"] == "2"
        assert "rdma/ib" not in serving.prefill.worker.resources
        assert serving.decode.worker.resources["rdma/ib"] == "4"

    def test_null_means_tcp_for_one_tier(self) -> None:
        serving = plan(rdma={"resource": "rdma/ib"}, decode__rdma=None)
        assert serving.prefill.worker.resources["rdma/ib"] == "1"
        assert set(serving.decode.worker.resources) == {"cpu", "memory", "amd.com/gpu", "ephemeral-storage"}


class TestUcx:
    def test_all_six_variables(self) -> None:
        worker = plan(
            rdma={"resource": "rdma/ib"},
            ucx={
                "tls": "self,sm,rocm,rc",
                "netDevices": ["bnxt_re0:1", "bnxt_re1:1"],
                "ibGidIndex": 3,
                "ibTrafficClass": 41,
                "logLevel": "info",
                "protoInfo": True,
            },
        ).prefill.worker
        assert worker.ucx == {
            "UCX_IB_GID_INDEX": "3",
            "UCX_IB_TRAFFIC_CLASS": "41",
            "UCX_LOG_FILE": "stderr",
            "UCX_LOG_LEVEL": "info",
            "UCX_NET_DEVICES": "bnxt_re0:1,bnxt_re1:1",
            "UCX_PROTO_INFO": "y",
            "UCX_TLS": "self,sm,rocm,rc",
        }

    def test_a_tiers_variable_before_the_stacks_one_by_one(self) -> None:
        serving = plan(ucx={"ibGidIndex": 3, "protoInfo": True}, decode__ucx={"ibGidIndex": 0, "protoInfo": False})
        assert serving.prefill.worker.ucx == {
            "UCX_IB_GID_INDEX": "3",
            "UCX_LOG_FILE": "stderr",
            "UCX_PROTO_INFO": "y",
        }
        assert serving.decode.worker.ucx == {"UCX_IB_GID_INDEX": "0", "UCX_PROTO_INFO": "n"}

    @pytest.mark.parametrize("asked", [{"protoInfo": True}, {"logLevel": "info"}])
    def test_what_ucx_prints_is_not_buffered_unless_the_tier_names_a_file(self, asked: dict[str, Any]) -> None:
        own = {"UCX_LOG_FILE": "file:/tmp/ucx.log"}
        serving = plan(ucx=asked, decode__env=own)
        assert serving.prefill.worker.ucx["UCX_LOG_FILE"] == "stderr"
        decode = {each["name"]: each.get("value") for each in vllm.environment(serving.decode.worker)}
        assert decode["UCX_LOG_FILE"] == "file:/tmp/ucx.log"

    def test_unset_leaves_ucx_its_own_choice(self) -> None:
        assert plan().decode.worker.ucx == {}


class TestTiming:
    """progress deadline > grace + budget; create > budget; update > rounds x (grace + budget)."""

    @pytest.mark.parametrize(
        ("changes", "rounds"),
        [({}, 4), ({"prefill__rollout__maxUnavailable": 3}, 2), ({"hostNetwork": True}, 1)],
        ids=str,
    )
    def test_pulumi_waits_longer_than_a_rollout_may_take(self, changes: dict[str, Any], rounds: int) -> None:
        rollout = plan(**changes).prefill.worker.rollout
        assert rollout.progress_deadline == 600 + 120 + 1800
        assert rollout.create_timeout == 600 + 1800
        assert rollout.update_timeout == 600 + rounds * (120 + 1800)
        assert rollout.delete_timeout == 600 + 120

    @pytest.mark.parametrize(("tokens", "grace"), [(32000, 1600), (8001, 401), (1000, 120), (1000000, 3600)])
    def test_a_decode_worker_may_finish_the_longest_answer_and_a_prefill_worker_its_queue(
        self, tokens: int, grace: int
    ) -> None:
        serving = plan(model__maxModelLen=tokens)
        assert serving.decode.worker.rollout.termination_grace == grace
        assert serving.decode.worker.rollout.delete_timeout == 600 + grace
        assert serving.prefill.worker.rollout.termination_grace == 120

    def test_an_answer_that_does_not_fit_into_the_longest_default_grace_is_said(self) -> None:
        [note] = plan(model__maxModelLen=131072).notes
        assert "an answer of 131072 tokens at 20 a second takes 6554 s" in note
        assert "serving.decode.rollout.terminationGrace" in note
        assert plan(model__maxModelLen=72000).notes == []
        said = {"model__maxModelLen": 131072, "decode__rollout__terminationGrace": 6554}
        assert plan(**said).notes == []
        assert plan(**said).decode.worker.rollout.termination_grace == 6554

    @pytest.mark.parametrize(
        ("change", "says"),
        [
            ({"prefill__extraArgs": ["--kv-cache-dtype=fp8"]}, "to fp8, and the decode tier leaves it to vLLM"),
            ({"decode__extraArgs": ["--attention-backend", "X"]}, "to X, and the prefill tier leaves it to vLLM"),
            ({"decode__image": "mirror.example/rocm:1"}, "serving.decode.image differs from the prefill tier's image"),
        ],
        ids=str,
    )
    def test_a_difference_between_the_tiers_that_can_keep_them_apart_is_said(
        self, change: dict[str, Any], says: str
    ) -> None:
        [note] = plan(prefill__tensorParallel=4, prefill__replicas=1, **change).notes
        assert says in note

    def test_explicit_timeouts_win(self) -> None:
        rollout = plan(
            decode__rollout={"startupBudget": 5, "terminationGrace": 1, "createTimeout": 6, "updateTimeout": 7}
        ).decode.worker.rollout
        assert (rollout.create_timeout, rollout.update_timeout, rollout.startup_budget) == (6, 7, 5)


class TestImages:
    def test_a_mirror_takes_the_registrys_place_but_not_in_the_users_own_images(self) -> None:
        serving = plan(images__mirror="mirror.example.com:5000/ghcr", decode__image="example.com/vllm:1")
        assert serving.prefill.worker.image.name == "mirror.example.com:5000/ghcr/llm-d/llm-d-rocm:v0.6.0"
        assert serving.picker.image.name == "mirror.example.com:5000/ghcr/llm-d/llm-d-inference-scheduler:v0.7.1"
        assert serving.decode.worker.image.name == "example.com/vllm:1"

    def test_pull_policies_are_the_charts_unless_said(self) -> None:
        def policies(serving: ServingPlan) -> list[str | None]:
            images = serving.picker.image, serving.decode.sidecar.image, serving.decode.worker.image
            return [image.pull_policy for image in images]

        assert policies(plan()) == ["Always", "Always", None]
        assert policies(plan(images__pullPolicy="Never")) == ["Never"] * 3


class TestModel:
    def test_weights_in_a_claim_need_no_token_and_are_read_only(self) -> None:
        model = plan(model__claim="weights", model__path="llama/70b").decode.worker.model
        assert (model.source, model.claim, model.read_only) == ("/model-cache/llama/70b", "weights", True)
        assert model.token_secret is None

    def test_a_claim_alone_is_a_cache(self) -> None:
        model = plan(model__claim="cache").decode.worker.model
        assert (model.source, model.read_only, model.token_secret) == (
            "amd/Llama-3.3-70B-Instruct-FP8-KV",
            False,
            "llm-d-hf-token",
        )

    @pytest.mark.parametrize(
        ("changes", "group"),
        [
            ({"accelerator": "nvidia", "model__claim": "cache"}, 2000),
            ({"accelerator": "nvidia", "model__claim": "weights", "model__path": "llama"}, None),
            ({"accelerator": "nvidia"}, None),
            ({"model__claim": "cache"}, None),
            ({"model__claim": "cache", "security__fsGroup": 3000}, 3000),
            ({"accelerator": "nvidia", "model__claim": "cache", "security__fsGroup": "null"}, None),
            (
                {"accelerator": "nvidia", "model__claim": "cache", "gateway__provider": "data-science-gateway"},
                None,
            ),
            ({"accelerator": "nvidia", "model__claim": "cache", "infrastructure": "openshift-roce"}, None),
        ],
        ids=str,
    )
    def test_volumes_belong_to_a_group_where_the_images_user_downloads_weights_to_a_claim(
        self, changes: dict[str, Any], group: int | None
    ) -> None:
        changed = plan(createNamespace=False, **changes)
        assert [tier.worker.fs_group for tier in (changed.prefill, changed.decode)] == [group, group]

    def test_the_served_name_is_what_clients_ask_for(self) -> None:
        assert "--served-model-name=llama" in vllm.arguments(plan(model__servedName="llama").prefill.worker)

    def test_the_label_is_the_last_segment_made_a_label_value(self) -> None:
        assert plan().prefill.worker.labels["llm-d.ai/model"] == "Llama-3.3-70B-Instruct-FP8-KV"
        assert plan(model__name="a/" + "b" * 62 + "-c").prefill.worker.labels["llm-d.ai/model"] == "b" * 62

    def test_the_connector_and_its_further_fields(self) -> None:
        worker = plan(kvTransfer={"connector": "MoRIIOConnector", "extra": {"kv_buffer_device": "cpu"}}).decode.worker
        [flag] = [each for each in vllm.arguments(worker) if each.startswith("--kv-transfer-config=")]
        assert json.loads(flag.partition("=")[2]) == {
            "kv_connector": "MoRIIOConnector",
            "kv_role": "kv_both",
            "kv_buffer_device": "cpu",
        }

    @pytest.mark.parametrize(
        ("changes", "prefill", "decode"),
        [
            (
                {"kvTransfer": {"extra": {"a": 1, "b": 1}}, "decode__kvTransfer": {"extra": {"b": 2, "c": 2}}},
                {"kv_connector": "NixlConnector", "kv_role": "kv_both", "a": 1, "b": 1},
                {"kv_connector": "NixlConnector", "kv_role": "kv_both", "a": 1, "b": 2, "c": 2},
            ),
            (
                {"kvTransfer": {"connector": "A", "extra": {"a": 1}}, "prefill__kvTransfer": {"connector": "B"}},
                {"kv_connector": "B", "kv_role": "kv_both"},
                {"kv_connector": "A", "kv_role": "kv_both", "a": 1},
            ),
        ],
    )
    def test_a_tiers_connector_is_over_the_stacks(
        self, changes: dict[str, Any], prefill: dict[str, Any], decode: dict[str, Any]
    ) -> None:
        changed = plan(**changes)
        assert (changed.prefill.worker.kv_transfer, changed.decode.worker.kv_transfer) == (prefill, decode)


class TestWhatTheProgramSets:
    """The table of refused flags and variables is exactly what the program renders."""

    MAY_BE_SET = {"HF_HOME", "UCX_LOG_FILE", "TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR", "VLLM_CACHE_ROOT"}
    FULLEST = {
        "rdma": {"resource": "rdma/ib"},
        "ucx": {"tls": "rc", "netDevices": "all", "ibGidIndex": 3, "ibTrafficClass": 1, "logLevel": "info",
                "protoInfo": True},
        "tracing": {"endpoint": "http://otel:4317", "detailed": True},
        "decode__logLevel": "info",
    }  # fmt: skip

    def test_flags(self) -> None:
        rendered = {flag_of(argument) for argument in vllm.arguments(plan(**self.FULLEST).decode.worker)}
        assert rendered - {None, "--attention-backend"} == set(SET_FLAGS)

    def test_variables(self) -> None:
        rendered = {variable["name"] for variable in vllm.environment(plan(**self.FULLEST).decode.worker)}
        assert rendered - self.MAY_BE_SET == set(SET_VARIABLES)

    def test_volumes_and_mount_paths(self) -> None:
        worker = plan().decode.worker
        assert {each["name"] for each in volumes.volumes(worker)} == set(VOLUMES)
        assert {each["mountPath"] for each in volumes.mounts(worker)} == set(MOUNTED)

    def test_a_variable_from_a_secret_takes_the_programs_place(self) -> None:
        value = {"secret": "s", "key": "k"}
        worker = plan(prefill__env={"HF_HOME": value, "TRITON_CACHE_DIR": value}).prefill.worker
        named = {each["name"]: each.get("value") for each in vllm.environment(worker)}
        assert len(vllm.environment(worker)) == len(named)
        assert (named["HF_HOME"], named["TRITON_CACHE_DIR"]) == (None, None)

    def test_a_tier_may_have_its_own_caches(self) -> None:
        worker = plan(prefill__env={"TRITON_CACHE_DIR": "/fast/triton"}).prefill.worker
        values = {variable["name"]: variable.get("value") for variable in vllm.environment(worker)}
        assert values["TRITON_CACHE_DIR"] == "/fast/triton"
        assert values["VLLM_CACHE_ROOT"] == "/.cache/vllm"

    def test_short_names_lead_to_flags_that_are_refused(self) -> None:
        assert set(ALIASES.values()) <= {*SET_FLAGS, *COUNTING_FLAGS, *PAIR_FLAGS, SERVERS_FLAG}

    @pytest.mark.parametrize(
        ("argument", "flag"),
        [
            ("--max_model_len", "--max-model-len"),
            ("--max-model-len=5", "--max-model-len"),
            ("--kv-transfer-config.kv_role=x", "--kv-transfer-config"),
            ("-tp", "--tensor-parallel-size"),
            ("-tp=2", "--tensor-parallel-size"),
            ("-1", None),
            ("0.9", None),
        ],
    )
    def test_flags_are_read_as_vllms_parser_reads_them(self, argument: str, flag: str | None) -> None:
        assert flag_of(argument) == flag


def test_the_same_settings_make_the_same_plan() -> None:
    assert plan() == plan()


def test_two_installs_share_no_name_and_no_selector() -> None:
    one, two = plan(), plan(postfix="pd-2")
    assert one.pool.selector != two.pool.selector
    for here, other in ((one, two), (two, one)):
        for tier in (other.prefill.worker, other.decode.worker):
            assert not here.pool.selector.items() <= tier.labels.items()
            assert not here.prefill.worker.selector.items() <= tier.labels.items()
            assert not here.decode.worker.selector.items() <= tier.labels.items()
