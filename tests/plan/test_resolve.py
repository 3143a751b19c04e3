"""Decisions of the plan: values that follow from settings."""

from typing import Any

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


class TestTiming:
    """progress deadline > grace + budget; create > budget; update > rounds x (grace + budget)."""

    def test_explicit_timeouts_win(self) -> None:
        rollout = plan(
            decode__rollout={"startupBudget": 5, "terminationGrace": 1, "createTimeout": 6, "updateTimeout": 7}
        ).decode.worker.rollout
        assert (rollout.create_timeout, rollout.update_timeout, rollout.startup_budget) == (6, 7, 5)


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

    def test_short_names_lead_to_flags_that_are_refused(self) -> None:
        assert set(ALIASES.values()) <= {*SET_FLAGS, *COUNTING_FLAGS, *PAIR_FLAGS, SERVERS_FLAG}
