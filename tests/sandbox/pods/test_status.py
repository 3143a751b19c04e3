from typing import Any

import pytest

from sandbox.cluster.api import Object
from sandbox.pods.status import INIT, MAIN, SIDECAR, Container, phase, terminated, waiting, whole

RUNNING: Object = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
GOOD, BAD = terminated(0, "Completed", "", ""), terminated(1, "Error", "", "")
POD: Object = {"metadata": {}, "spec": {}, "status": {}}


def one(role: str, state: Object, **more: Any) -> Container:
    return Container(role, "image", role, state, **more)


def conditions(*containers: Container, known: dict[str, Object] | None = None, pod: Object = POD) -> dict[str, Object]:
    told = whole(pod, containers, known or {}, host="h", address="a", started="s")
    return {entry["type"]: entry for entry in told["conditions"]}


@pytest.mark.parametrize(
    ("containers", "policy", "expected"),
    [
        ([one(MAIN, waiting("ContainerCreating"))], "Always", "Pending"),
        ([one(MAIN, RUNNING)], "Always", "Running"),
        ([one(INIT, RUNNING), one(MAIN, waiting("PodInitializing"))], "Always", "Pending"),
        ([one(INIT, BAD), one(MAIN, waiting("PodInitializing"))], "Always", "Pending"),
        ([one(INIT, BAD), one(MAIN, waiting("PodInitializing"))], "Never", "Failed"),
        ([one(INIT, GOOD), one(MAIN, RUNNING)], "Always", "Running"),
        ([one(SIDECAR, RUNNING), one(MAIN, waiting("PodInitializing"))], "Always", "Pending"),
        ([one(SIDECAR, RUNNING, started=True), one(MAIN, RUNNING)], "Always", "Running"),
        ([one(MAIN, waiting("CrashLoopBackOff"), last_state=BAD)], "Always", "Running"),
        ([one(MAIN, BAD)], "Always", "Running"),
        ([one(MAIN, GOOD)], "Never", "Succeeded"),
        ([one(MAIN, GOOD)], "OnFailure", "Succeeded"),
        ([one(MAIN, BAD)], "OnFailure", "Running"),
        ([one(MAIN, BAD), one(MAIN, GOOD)], "Never", "Failed"),
        ([one(MAIN, RUNNING), one(MAIN, BAD)], "Never", "Running"),
    ],
)
def test_the_phase(containers: list[Container], policy: str, expected: str) -> None:
    assert phase(containers, policy) == expected


def test_a_pod_is_ready_when_all_its_containers_are() -> None:
    containers = [one(SIDECAR, RUNNING, started=True, ready=True), one(MAIN, RUNNING, started=True)]
    told = conditions(*containers)
    assert told["Ready"]["status"] == told["ContainersReady"]["status"] == "False"
    assert told["Ready"]["reason"] == "ContainersNotReady"
    assert told["Ready"]["message"] == "containers with unready status: [main]"
    containers[1].ready = True
    assert {kind: entry["status"] for kind, entry in conditions(*containers).items()} == dict.fromkeys(told, "True")


def test_a_readiness_gate_holds_a_pod_back() -> None:
    gated = {"metadata": {}, "spec": {"readinessGates": [{"conditionType": "x/y"}]}, "status": {}}
    told = conditions(one(MAIN, RUNNING, ready=True), pod=gated)
    assert (told["ContainersReady"]["status"], told["Ready"]["status"]) == ("True", "False")
    opened = gated | {"status": {"conditions": [{"type": "x/y", "status": "True"}]}}
    assert conditions(one(MAIN, RUNNING, ready=True), pod=opened)["Ready"]["status"] == "True"


def test_the_time_of_a_condition_is_that_of_its_last_change() -> None:
    known = {"Ready": {"status": "True", "lastTransitionTime": "then"}}
    assert conditions(one(MAIN, RUNNING, ready=True), known=known)["Ready"]["lastTransitionTime"] == "then"
    assert conditions(one(MAIN, RUNNING), known=known)["Ready"]["lastTransitionTime"] != "then"


def test_what_initialises_is_told_apart_from_what_serves() -> None:
    told = conditions(one(INIT, RUNNING), one(MAIN, waiting("PodInitializing")))
    assert told["Initialized"]["message"] == "containers with incomplete status: [init]"
    status = whole(POD, [one(INIT, GOOD), one(MAIN, RUNNING)], {}, host="h", address=None, started="s")
    assert [entry["name"] for entry in status["initContainerStatuses"]] == ["init"]
    assert [entry["name"] for entry in status["containerStatuses"]] == ["main"]
    assert "podIP" not in status


def test_a_pod_that_has_ended_is_not_ready() -> None:
    ended = whole(
        {**POD, "spec": {"restartPolicy": "Never"}}, [one(MAIN, GOOD)], {}, host="h", address="a", started="s"
    )
    assert ended["phase"] == "Succeeded"
    assert {entry["reason"] for entry in ended["conditions"] if entry["type"] == "Ready"} == {"PodCompleted"}
