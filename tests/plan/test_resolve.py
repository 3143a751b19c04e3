"""Decisions of the plan: values that follow from settings."""

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


class TestUcx:
    @pytest.mark.parametrize("asked", [{"protoInfo": True}, {"logLevel": "info"}])
    def test_what_ucx_prints_is_not_buffered_unless_the_tier_names_a_file(self, asked: dict[str, Any]) -> None:
        own = {"UCX_LOG_FILE": "file:/tmp/ucx.log"}
        serving = plan(ucx=asked, decode__env=own)
        assert serving.prefill.worker.ucx["UCX_LOG_FILE"] == "stderr"
        decode = {each["name"]: each.get("value") for each in vllm.environment(serving.decode.worker)}
        assert decode["UCX_LOG_FILE"] == "file:/tmp/ucx.log"


class TestTiming:
    """progress deadline > grace + budget; create > budget; update > rounds x (grace + budget)."""

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


class TestModel:
    @pytest.mark.parametrize(
        ("changes", "group"),
        [
            ({"accelerator": "nvidia", "release": "0.6", "model__claim": "cache"}, 2000),
            ({"accelerator": "nvidia", "model__claim": "cache"}, None),
            ({"accelerator": "nvidia", "release": "0.6", "model__claim": "weights", "model__path": "llama"}, None),
            ({"accelerator": "nvidia"}, None),
            ({"model__claim": "cache"}, None),
            ({"model__claim": "cache", "security__fsGroup": 3000}, 3000),
            ({"accelerator": "nvidia", "release": "0.6", "model__claim": "cache", "security__fsGroup": "null"}, None),
            (
                {
                    "accelerator": "nvidia",
                    "release": "0.6",
                    "model__claim": "cache",
                    "gateway__provider": "data-science-gateway",
                },
                None,
            ),
            (
                {
                    "accelerator": "nvidia",
                    "release": "0.6",
                    "model__claim": "cache",
                    "infrastructure": "openshift-roce",
                },
                None,
            ),
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

    @pytest.mark.parametrize(
        ("changes", "prefill", "decode"),
        [
            (
                {"kvTransfer": {"extra": {"a": 1, "b": 1}}, "decode__kvTransfer": {"extra": {"b": 2, "c": 2}}},
                {"kv_connector": "NixlConnector", "kv_role": "kv_producer", "a": 1, "b": 1},
                {"kv_connector": "NixlConnector", "kv_role": "kv_consumer", "a": 1, "b": 2, "c": 2},
            ),
            (
                {"kvTransfer": {"connector": "A", "extra": {"a": 1}}, "prefill__kvTransfer": {"connector": "B"}},
                {"kv_connector": "B", "kv_role": "kv_producer"},
                {"kv_connector": "A", "kv_role": "kv_consumer", "a": 1},
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

    MAY_BE_SET = {"USER", "HF_HOME", "UCX_LOG_FILE", "TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR", "VLLM_CACHE_ROOT"}
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
