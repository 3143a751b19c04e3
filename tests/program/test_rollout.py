"""How long a tier may take, and when it is rolled or replaced (D12)."""

from typing import Any

import pytest

from tests.program.wire import AMD, default, ran, vllm, worker

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
    ("serving", "rounds"),
    [
        ({}, 4),
        ({"prefill": {"replicas": 5, "rollout": {"maxUnavailable": 2}}}, 3),
        ({"hostNetwork": True}, 1),
        ({"prefill": {"rollout": {"startupBudget": 5400, "terminationGrace": 300}}}, 4),
    ],
)
def test_nothing_gives_up_before_the_start_up_budget_is_spent(serving: dict[str, Any], rounds: int) -> None:
    given = serving.get("prefill", {}).get("rollout", {})
    budget, grace = given.get("startupBudget", 1800), given.get("terminationGrace", 120)
    deadline, create, update, delete = _timing(serving, "prefill")
    assert deadline > grace + budget
    assert create > budget
    assert update > rounds * (grace + budget)
    assert delete > grace


@pytest.mark.parametrize(("budget", "period", "threshold"), [(1800, 30, 60), (1801, 30, 61), (20, 20, 1)])
def test_the_start_up_probe_spends_the_budget(budget: int, period: int, threshold: int) -> None:
    recorder = ran({**AMD, "decode": {"rollout": {"startupBudget": budget}}})
    probe = vllm(recorder, "decode")["startupProbe"]
    assert (probe["periodSeconds"], probe["failureThreshold"]) == (period, threshold)


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
    before, after = default(), ran({**AMD, **serving})
    annotations = {role: [worker(run, role)["metadata"]["annotations"] for run in (before, after)] for role in ROLES}
    assert {role for role, (old, new) in annotations.items() if old != new} == replaced
