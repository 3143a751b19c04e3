"""Time limits of a tier, and the changes that roll or replace it."""

from typing import Any

import pytest

from tests.program.wire import AMD, made, ran, worker
from tests.recorder import Recorder, run_program

ROLES = ("prefill", "decode")


def _timing(serving: dict[str, Any], role: str) -> tuple[int, int, int, int]:
    recorder = ran({**AMD, **serving})
    [each] = [each for each in recorder.declared.values() if each.name == f"{role}-deployment"]
    timeouts = each.request.customTimeouts
    deadline = worker(recorder, role)["spec"]["progressDeadlineSeconds"]
    waits = (timeouts.create, timeouts.update, timeouts.delete)
    create, update, delete = (int(each.removesuffix("s")) for each in waits)
    return deadline, create, update, delete


@pytest.mark.parametrize(
    ("serving", "seconds"),
    [
        ({}, (2520, 2400, 8280, 720)),
        ({"prefill": {"replicas": 5, "rollout": {"maxUnavailable": 2}}}, (2520, 2400, 6360, 720)),
        ({"hostNetwork": True}, (2520, 2400, 2520, 720)),
        ({"prefill": {"rollout": {"startupBudget": 5400, "terminationGrace": 300}}}, (6300, 6000, 23400, 900)),
    ],
)
def test_nothing_gives_up_before_the_start_up_budget_is_spent(
    serving: dict[str, Any], seconds: tuple[int, int, int, int]
) -> None:
    """Deadline: 600 + grace + budget; create: 600 + budget; update: 600 + rounds * (grace + budget)."""
    assert _timing(serving, "prefill") == seconds


def test_a_surge_starts_new_workers_before_old_ones_end() -> None:
    surging = {"rollout": {"maxSurge": 2, "maxUnavailable": 0}}
    rolling = worker(made({**AMD, "prefill": surging}), "prefill")["spec"]["strategy"]["rollingUpdate"]
    assert rolling == {"maxSurge": 2, "maxUnavailable": 0}
    grace, budget, rounds = 120, 1800, 2
    assert _timing({"prefill": surging}, "prefill")[2] == 600 + rounds * (grace + budget)


def test_replicas_are_left_to_an_autoscaler() -> None:
    """Declared all the same: an update that leaves the field out makes it 1."""
    recorder = ran({**AMD, "prefill": {"replicas": None}, "decode": {"replicas": None}})
    for role, replicas in (("prefill", 4), ("decode", 1)):
        [tier] = [each for each in recorder.declared.values() if each.name == f"{role}-deployment"]
        assert list(tier.request.ignoreChanges) == ["spec.replicas"]
        assert worker(recorder, role)["spec"]["replicas"] == replicas
        outputs = recorder.stack_outputs["workloads"][role]
        assert (outputs.get("replicas"), outputs.get("gpus")) == (None, None)


@pytest.mark.parametrize(
    ("serving", "replaced"),
    [
        ({"decode": {"tensorParallel": 8}}, {"decode"}),
        ({"hostNetwork": True}, {"prefill", "decode"}),
        ({"release": "0.4"}, set()),
        ({"model": {"name": "amd/other"}}, set()),
        ({"decode": {"memory": "100Gi", "replicas": 2, "annotations": {"a": "b"}}, "rdma": None}, set()),
    ],
)
def test_a_tier_is_replaced_when_its_pods_take_other_gpus_of_a_node_and_else_rolls(
    serving: dict[str, Any], replaced: set[str]
) -> None:
    before, after = made(AMD), made({**AMD, **serving})
    annotations = {role: [worker(run, role)["metadata"]["annotations"] for run in (before, after)] for role in ROLES}
    assert {role for role, (old, new) in annotations.items() if old != new} == replaced


def _state(former: Recorder) -> dict[str, Any]:
    """The Deployments of a former run as the engine's state has them."""
    return {
        each.urn: {
            "type": each.type,
            "outputs": {"metadata": {**each.inputs["metadata"], "uid": "1"}, "__inputs": each.inputs},
        }
        for each in former.declared.values()
        if each.is_object and each.inputs["kind"] == "Deployment"
    }


def _second_run(before: dict[str, Any], after: dict[str, Any]) -> tuple[set[str], list[str]]:
    """The tiers that are replaced whatever of their pods changes, and the notes on the cost."""
    second = run_program({**AMD, **after}, recorder=Recorder(_state(ran({**AMD, **before}))))
    replaced = {
        each.name.removesuffix("-deployment")
        for each in second.declared.values()
        if "spec.template" in each.request.replaceOnChanges and each.request.deleteBeforeReplace
    }
    return replaced, [message for message in second.messages if "cost of this change:" in message]


BOTH = {"prefill", "decode"}
FP8 = {"extraArgs": ["--kv-cache-dtype=fp8"]}
IMAGES = {
    "prefill": {"image": "a.example.com/llm-d/llm-d-rocm:v0.6.0"},
    "decode": {"image": "b.example.com/mirror/llm-d/llm-d-rocm:v0.6.0"},
}


@pytest.mark.parametrize(
    ("before", "after", "replaced", "fields"),
    [
        ({}, {"model": {**AMD["model"], "blockSize": 64}}, BOTH, ["--block-size: 128 → 64"]),
        ({}, {"model": {"name": "amd/other"}}, BOTH, ["model: amd/Llama-3.3-70B-Instruct-FP8-KV → amd/other"]),
        ({"release": "0.4"}, {}, BOTH, ["image: llm-d/llm-d-rocm:v0.4.5-debug → llm-d/llm-d-rocm:v0.6.0"]),
        ({}, {"prefill": FP8, "decode": FP8}, BOTH, ["--kv-cache-dtype: unset → fp8"]),
        ({"prefill": FP8, "decode": FP8}, {}, BOTH, ["--kv-cache-dtype: fp8 → unset"]),
        ({}, {"decode": {"extraArgs": ["--dtype", "float16"]}}, {"decode"}, ["--dtype: unset → float16"]),
        ({}, {"decode": {"env": {"VLLM_KV_CACHE_LAYOUT": "NHD"}}}, {"decode"}, ["VLLM_KV_CACHE_LAYOUT: unset → NHD"]),
        ({}, {"kvTransfer": {"extra": {"kv_buffer_device": "cpu"}}}, BOTH, ['"kv_buffer_device": "cpu"']),
        ({"prefill": FP8}, {"prefill": {"extraArgs": ["--kv_cache_dtype", "fp8"]}}, set(), []),
        ({}, {"kvTransfer": {"extra": {"kv_load_failure_policy": "recompute"}}}, set(), []),
        ({}, {"decode": {"kvTransfer": {"extra": {"kv_role": "kv_consumer"}}}}, set(), []),
        ({}, IMAGES, set(), []),
        (
            {},
            {"model": {**AMD["model"], "maxModelLen": 8000}, "rdma": None, "ucx": {"tls": ["tcp", "rocm"]}},
            set(),
            [],
        ),
        ({}, {"decode": {"replicas": 2, "cpu": 12, "env": {"A": "b"}, "extraArgs": ["--max-num-seqs=8"]}}, set(), []),
        ({"postfix": "other"}, {"model": {"name": "amd/other"}}, set(), []),
        ({}, {}, set(), []),
    ],
)
def test_workers_that_cannot_exchange_kv_blocks_replace_their_tier(
    before: dict[str, Any], after: dict[str, Any], replaced: set[str], fields: list[str]
) -> None:
    found, warnings = _second_run(before, after)
    assert found == replaced
    assert any("cannot exchange KV blocks, because these differ" in each for each in warnings) == bool(replaced)
    for field in fields:
        assert field in warnings[0]


def test_the_preview_says_what_a_replacement_costs() -> None:
    slow = {"rollout": {"startupBudget": 5400, "terminationGrace": 300}}
    after = {"model": {**AMD["model"], "blockSize": 64}, "prefill": slow}
    _, [warning] = _second_run({}, after)
    assert warning.splitlines() == [
        "warning: cost of this change:",
        "4 prefill pods are replaced all at once, because old and new workers cannot exchange KV blocks: at most 95 "
        "minutes; each pod has 5 for its requests (rollout.terminationGrace) and 90 to load (rollout.startupBudget), "
        "after pulling the image",
        "1 decode pod is replaced all at once, because old and new workers cannot exchange KV blocks: at most 57 "
        "minutes; each pod has 27 for its requests (rollout.terminationGrace) and 30 to load (rollout.startupBudget), "
        "after pulling the image",
        "old and new workers cannot exchange KV blocks, because these differ:",
        "  --block-size: 128 → 64",
        "no request is answered while no decode worker is Ready: an outage of at most 30 minutes, which begins when "
        "the last old worker has finished its requests",
        "without an outage: another word in serving.rollout.generation, which needs 8 more GPUs meanwhile "
        "(docs/changes.md)",
    ]
    _, [warning] = _second_run({}, {"prefill": FP8})
    assert "decode workers compute the prompts" in warning


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ({}, {"prefill": {"env": {"A": "b"}}}, ["4 prefill pods are replaced in 4 rounds", "by the other workers"]),
        ({}, {"decode": {"env": {"A": "b"}}}, ["1 decode pod is replaced in 1 round", "an outage of at most 30 min"]),
        (
            {"decode": {"replicas": 2}},
            {"decode": {"replicas": 2, "labels": {"a": "b"}}},
            ["2 decode pods are replaced in 2 rounds", "old and new workers exchange KV blocks", "by the other"],
        ),
        (
            {},
            {"decode": {"sidecar": {"cpu": "3"}, "rollout": {"maxUnavailable": 0, "maxSurge": 1}}},
            ["1 decode pod is replaced in 1 round", "requests are served meanwhile"],
        ),
        ({}, {"prefill": {"tensorParallel": 2}}, ["all at once, because one pod takes other GPUs"]),
    ],
)
def test_the_preview_says_what_a_rollout_costs(before: dict[str, Any], after: dict[str, Any], says: list[str]) -> None:
    _, [warning] = _second_run(before, after)
    for each in says:
        assert each in warning


@pytest.mark.parametrize("after", [{}, {"decode": {"replicas": 2}}, {"routing": {"cpu": "1"}}, {"postfix": "other"}])
def test_a_change_that_restarts_no_worker_costs_nothing(after: dict[str, Any]) -> None:
    assert _second_run({}, after)[1] == []
