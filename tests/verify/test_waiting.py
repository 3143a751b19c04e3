"""Why pods wait: typed objects as an API server returns them, without a cluster."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.docs.pages import settings
from tests.verify.fake import APPS, CORE, NAMESPACE, FakeCluster
from verify import during_up, waiting
from verify.finding import Unreachable
from verify.waiting import Seen, setting_for
from verify.watch import SURE, Shown, Watch

BEFORE, STARTED, AFTER = "2026-11-28T09:00:00Z", "2026-11-28T10:00:00Z", "2026-11-28T10:00:09Z"
PREFILL = "ms-pd-prefill"
TYPED: dict[str, list[Any]] = yaml.safe_load(Path(__file__).with_name("waiting.yaml").read_text())


def pod(
    *states: Mapping[str, Any],
    restarts: int = 0,
    last: Mapping[str, Any] | None = None,
    ready: bool = False,
    made: str = AFTER,
    revision: str = "aaa",
    conditions: tuple[Mapping[str, Any], ...] = (),
    **status: Any,
) -> dict[str, Any]:
    """A prefill pod with containers that are in these states."""
    names = ("vllm", "sidecar")
    statuses = [
        {"name": names[number], "state": state, "restartCount": restarts, "lastState": last or {}, "ready": ready}
        for number, state in enumerate(states)
    ]
    return {
        "metadata": {
            "name": f"{PREFILL}-{revision}-x",
            "namespace": NAMESPACE,
            "uid": "1",
            "creationTimestamp": made,
            "labels": {"llm-d.ai/role": "prefill", "pod-template-hash": revision},
            "ownerReferences": [{"kind": "ReplicaSet", "name": f"{PREFILL}-{revision}"}],
        },
        "spec": {"nodeName": "node-a", "containers": [{"name": "vllm"}]},
        "status": {
            "phase": "Pending",
            "conditions": [{"type": "Ready", "status": str(ready)}, *conditions],
            "containerStatuses": statuses,
            **status,
        },
    }


def waits(reason: str, message: str = "") -> dict[str, Any]:
    return {"waiting": {"reason": reason, "message": message}}


def ended(code: int, reason: str = "Error") -> dict[str, Any]:
    return {"terminated": {"exitCode": code, "reason": reason}}


def unscheduled(message: str) -> dict[str, Any]:
    return pod(conditions=({"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message},))


def replica_set(revision: str, number: int, refused: str = "", made: str = AFTER) -> dict[str, Any]:
    failure = [{"type": "ReplicaFailure", "status": "True", "message": refused}] if refused else []
    labels = {"llm-d.ai/role": "prefill", "pod-template-hash": revision}
    return {
        "metadata": {
            "name": f"{PREFILL}-{revision}",
            "labels": labels,
            "annotations": {"deployment.kubernetes.io/revision": str(number)},
            "ownerReferences": [{"kind": "Deployment", "name": PREFILL}],
            "creationTimestamp": made,
        },
        "spec": {"template": {"metadata": {"labels": labels}}},
        "status": {"conditions": failure},
    }


def event(reason: str, message: str, kind: str = "Warning", uid: str = "1") -> dict[str, Any]:
    about = {"uid": uid, "name": f"{PREFILL}-aaa-x"}
    return {"type": kind, "reason": reason, "message": message, "lastTimestamp": AFTER, "involvedObject": about}


def seen(said: Mapping[str, Any]) -> Seen:
    pods = [
        pod(*one.get("states", ()), **{key: one[key] for key in one if key != "states"}) for one in said.get("pods", [])
    ]
    sets = [replica_set(**one) for one in said.get("sets", ())]
    return Seen(pods, sets, [event(**one) for one in said.get("events", ())], said.get("nodes", {}))


@pytest.mark.parametrize("said", TYPED["troubles"], ids=lambda said: said["what"])
def test_each_trouble_has_its_reason_and_setting(said: Mapping[str, Any]) -> None:
    [trouble] = seen(said).troubles({})
    assert said["what"] in trouble.text and trouble.text.startswith(f"prefill waits: {PREFILL}-aaa")
    assert said["change"] in trouble.change


@pytest.mark.parametrize(
    "quiet",
    [
        pod({"running": {}}, ready=True),
        pod({"running": {}}),
        pod(waits("ContainerCreating"), waits("PodInitializing")),
        pod(ended(0, "Completed"), phase="Succeeded"),
        {**pod(waits("CrashLoopBackOff"), last=ended(1)), "metadata": {"name": "x", "deletionTimestamp": AFTER}},
    ],
    ids=["ready", "loads", "starts", "done", "is deleted"],
)
def test_a_pod_that_is_well_or_on_its_way_is_no_trouble(quiet: dict[str, Any]) -> None:
    assert not Seen([quiet]).troubles({})


def test_what_was_said_before_a_container_ran_is_past() -> None:
    assert not Seen([pod({"running": {}}, restarts=1)], events=[event("BackOff", "Back-off restarting")]).troubles({})


def test_pods_of_an_older_replica_set_do_not_count() -> None:
    old, new = pod(waits("InvalidImageName"), revision="aaa"), pod({"running": {}}, revision="bbb")
    sets = [replica_set("bbb", 2), replica_set("aaa", 1, "exceeded quota")]
    assert not Seen([old, new], sets).troubles({})


def test_a_preemption_is_past_when_the_next_pod_is_ready() -> None:
    past = [event("Preempted", "Preempted by pod 7", "Normal", "0")]
    assert not Seen([pod({"running": {}}, ready=True)], events=past).troubles({})


def test_pods_with_the_same_reason_are_shown_once() -> None:
    assert len(Seen([unscheduled("full"), unscheduled("full")]).troubles({})) == 1


@pytest.mark.parametrize(("message", "role", "named"), TYPED["messages"])
def test_every_message_names_the_setting_that_answers_it(message: str, role: str, named: list[str]) -> None:
    advice = setting_for(message, role)
    assert all(setting in advice for setting in named), advice
    assert "{" not in advice


def test_rdma_and_gpus_are_not_confused_and_the_unknown_has_no_advice() -> None:
    assert "replicas" not in setting_for("2 Insufficient rdma/ib.", "prefill")
    assert "rdma" not in setting_for("2 Insufficient amd.com/gpu.", "prefill")
    assert setting_for("the moon is full", "prefill") == ""


def test_every_setting_named_exists() -> None:
    remedies = " ".join(remedy for _, remedy in waiting.REMEDIES).replace(waiting.ROLE, "decode")
    named = set(re.findall(r"serving(?:\.\w+)+", f"{remedies} {' '.join(waiting._IMAGES.values())}"))
    assert len(named) > 15
    assert named <= settings().keys()


def watched(
    *looks: dict[str, Any], awaited: tuple[str, ...] = (PREFILL,), answers: Mapping[str, Any] | None = None
) -> list[list[Shown]]:
    """What a watch tells at each look at a pod; looks are `SURE` seconds apart."""
    cluster = FakeCluster({}, {f"{PREFILL}-aaa-x/vllm": "loading\nerror: no such flag --x, token=abcdef\nusage"})
    watch, found = Watch(cluster, NAMESPACE, lambda: awaited, STARTED), []
    for number, each in enumerate(looks):
        cluster._answers = {f"{CORE}/pods": [each], **(answers or {})}
        found.append(watch.look(number * SURE))
    return found


def crash(count: int, code: int = 2, **more: Any) -> dict[str, Any]:
    return pod(waits("CrashLoopBackOff"), restarts=count - 1, last=ended(code), **more)


def ends(shown: list[list[Shown]]) -> list[int]:
    """The looks after which the wait is ended."""
    return [number for number, each in enumerate(shown) if any(one.ends for one in each)]


def test_the_second_look_tells_with_the_log_and_without_secrets() -> None:
    first, [shown], third = watched(crash(1), crash(1), crash(1))
    assert not first and not third
    assert str(shown) == (
        f"prefill waits: {PREFILL}-aaa-x: container vllm ended 1 time, last with code 2; its log: loading | error: no "
        "such flag --x, token=(removed) | usage; change: the log above; serving.prefill.extraArgs, serving.prefill.env "
        "and serving.prefill.image"
    )


def test_three_ends_with_one_code_end_the_wait() -> None:
    assert ends(watched(crash(1), crash(2), crash(3), crash(3)))[0] == 2
    assert ends(watched(crash(3), crash(3))) == [1]
    assert not ends(watched(crash(2), crash(2)))
    assert not ends(watched(crash(1, code=137), crash(3), crash(3)))


@pytest.mark.parametrize(
    "look",
    [
        [crash(3, made=BEFORE)] * 2,
        [pod({"running": {}}, ready=True), crash(3), crash(3)],
        [pod(waits("ImagePullBackOff"))] * 3,
        [unscheduled("0/2 nodes")] * 3,
    ],
    ids=["older than this up", "was Ready", "image", "unschedulable"],
)
def test_what_may_heal_does_not_end_the_wait(look: list[dict[str, Any]]) -> None:
    assert not ends(watched(*look))


def test_what_up_does_not_wait_for_is_not_shown() -> None:
    assert not any(watched(crash(3), crash(3), awaited=("decode",)))


@pytest.mark.parametrize(
    ("message", "final"),
    [
        ('violates PodSecurity "restricted:latest"', True),
        ("ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no", True),
        ('admission webhook "w" denied the request: no', True),
        ("unable to validate against any security context constraint", True),
        ("exceeded quota: full", False),
        ('failed calling webhook "w": connection refused', False),
    ],
)
def test_a_refusal_ends_the_wait_if_it_repeats_itself(message: str, final: bool) -> None:
    sets = {f"{APPS}/replicasets": [replica_set("aaa", 1, message)]}
    assert bool(ends(watched(*[pod({"running": {}}, ready=False)] * 3, answers=sets))) == final


def test_a_ready_pod_of_the_old_replica_set_does_not_keep_the_wait() -> None:
    old = pod({"running": {}}, ready=True, made=BEFORE)
    assert ends(watched(old, crash(3, revision="bbb"), crash(3, revision="bbb"))) == [2]


@pytest.mark.parametrize(("made", "final"), [(BEFORE, True), (AFTER, False)])
def test_a_missing_secret_ends_the_wait_in_a_namespace_that_preflight_saw(made: str, final: bool) -> None:
    lacks = pod(waits("CreateContainerConfigError", 'secret "hf" not found'))
    namespace = {f"/api/v1/namespaces/{NAMESPACE}": {"metadata": {"creationTimestamp": made}}}
    assert bool(ends(watched(lacks, lacks, lacks, answers=namespace))) == final


def test_an_invalid_image_name_ends_the_wait() -> None:
    assert ends(watched(pod(waits("InvalidImageName")), pod(waits("InvalidImageName")))) == [1]


def test_pods_that_may_not_be_read_are_reported_and_other_objects_left_out() -> None:
    forbidden = FakeCluster({f"{CORE}/pods": [crash(1)]}, forbids=(f"{CORE}/events", f"{APPS}/replicasets"))
    watch = Watch(forbidden, NAMESPACE, lambda: (PREFILL,), STARTED)
    assert not watch.look(0)
    assert len(watch.look(1)) == 1
    with pytest.raises(Unreachable):
        Watch(FakeCluster({}, forbids=(f"{CORE}/pods",)), NAMESPACE, lambda: (), STARTED).look(0)


def test_the_cli_is_the_nearest_ancestor_of_that_name(monkeypatch: pytest.MonkeyPatch) -> None:
    tree = {os.getpid(): (30, "pulumi-language-python"), 30: (20, "pulumi"), 20: (10, "pulumi"), 10: (1, "init")}
    monkeypatch.setattr(during_up, "_parent", lambda process: tree.get(process, (0, "")))
    assert during_up.running_cli() == 20
    tree[30] = (20, "bash")
    del tree[20]
    assert during_up.running_cli() is None


def test_the_processes_above_are_those_of_the_system() -> None:
    assert during_up._parent(os.getpid())[0] == os.getppid()
