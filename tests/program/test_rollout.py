"""Time limits of a tier, and the changes that replace it. `tests/cases/rollout.yaml` has what a change costs."""

from typing import Any

import pytest

from tests.program.wire import AMD, made, ran, worker

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
        ({"prefill": {"rollout": {"maxSurge": 2, "maxUnavailable": 0}}}, (2520, 2400, 4440, 720)),
        ({"hostNetwork": True}, (2520, 2400, 2520, 720)),
        ({"prefill": {"rollout": {"startupBudget": 5400, "terminationGrace": 300}}}, (6300, 6000, 23400, 900)),
    ],
)
def test_nothing_gives_up_before_the_start_up_budget_is_spent(
    serving: dict[str, Any], seconds: tuple[int, int, int, int]
) -> None:
    """Deadline: 600 + grace + budget; create: 600 + budget; update: 600 + rounds * (grace + budget)."""
    assert _timing(serving, "prefill") == seconds


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
