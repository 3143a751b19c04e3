"""Why pods wait: typed objects as an API server returns them, without a cluster."""

import os
import re
from collections.abc import Mapping, Sequence
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

STARTED, AFTER = "2026-11-28T10:00:00Z", "2026-11-28T10:00:09Z"
PREFILL = "ms-pd-prefill"
TYPED: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("waiting.yaml").read_text())


def pod(
    *states: Mapping[str, Any],
    restarts: int = 0,
    last: Mapping[str, Any] | None = None,
    ready: bool = False,
    made: str = AFTER,
    revision: str = "aaa",
    deleted: bool = False,
    conditions: Sequence[Mapping[str, Any]] = (),
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
            **({"deletionTimestamp": AFTER} if deleted else {}),
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


def crash(count: int, code: int = 2, **more: Any) -> dict[str, Any]:
    last = {"terminated": {"exitCode": code, "reason": "Error"}}
    return pod({"waiting": {"reason": "CrashLoopBackOff"}}, restarts=count - 1, last=last, **more)


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


def _pod(said: Mapping[str, Any]) -> dict[str, Any]:
    if "crash" in said:
        return crash(said["crash"], **{key: value for key, value in said.items() if key != "crash"})
    return pod(*said.get("states", ()), **{key: value for key, value in said.items() if key != "states"})


def seen(said: Mapping[str, Any]) -> Seen:
    sets = [replica_set(**one) for one in said.get("sets", ())]
    events = [event(**one) for one in said.get("events", ())]
    return Seen(list(map(_pod, said.get("pods", ()))), sets, events, said.get("nodes", {}))


@pytest.mark.parametrize("said", TYPED["troubles"], ids=lambda said: said["what"])
def test_each_trouble_has_its_reason_and_setting(said: Mapping[str, Any]) -> None:
    [trouble] = seen(said).troubles({})
    assert said["what"] in trouble.text and trouble.text.startswith(f"prefill waits: {PREFILL}-aaa")
    assert said["change"] in trouble.change


@pytest.mark.parametrize("said", TYPED["quiet"].values(), ids=TYPED["quiet"])
def test_what_is_well_or_past_is_no_trouble(said: Mapping[str, Any]) -> None:
    assert not seen(said).troubles({})


def test_pods_with_the_same_reason_are_shown_once() -> None:
    assert len(Seen([crash(1), crash(1)]).troubles({})) == 1


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


def test_the_second_look_tells_with_the_log_and_without_secrets() -> None:
    first, [shown], third = watched(crash(1), crash(1), crash(1))
    assert not first and not third
    assert str(shown) == (
        f"prefill waits: {PREFILL}-aaa-x: container vllm ended 1 time, last with code 2; its log: loading | error: no "
        "such flag --x, token=(removed) | usage; change: the log above; serving.prefill.extraArgs, serving.prefill.env "
        "and serving.prefill.image"
    )


@pytest.mark.parametrize("said", TYPED["watched"])
def test_what_cannot_heal_ends_the_wait(said: Mapping[str, Any]) -> None:
    answers = dict(said.get("answers", {}))
    if "refused" in said:
        answers[f"{APPS}/replicasets"] = [replica_set("aaa", 1, said["refused"])]
    shown = watched(*map(_pod, said["looks"]), answers=answers)
    ended = [number for number, each in enumerate(shown) if any(one.ends for one in each)]
    assert ended[:1] == ([said["ends"]] if "ends" in said else [])


def test_what_up_does_not_wait_for_is_not_shown() -> None:
    assert not any(watched(crash(3), crash(3), awaited=("decode",)))


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
