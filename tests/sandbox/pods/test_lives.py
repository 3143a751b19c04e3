"""The lifecycle of pods, as strict as a kubelet's."""

import threading
from typing import Any

import pytest

from tests.sandbox.pods.harness import (
    Object,
    Pods,
    condition,
    container,
    ended,
    ready,
    shell,
)

pytestmark = pytest.mark.thorough

FOREVER = "trap 'exit 0' TERM; sleep infinity & wait"


def probe(command: str, **more: Any) -> Object:
    return {"exec": {"command": ["sh", "-c", command]}, "periodSeconds": 1, **more}


def test_liveness_waits_for_the_start_and_then_restarts(pods: Pods) -> None:
    script = "sleep 1; touch /tmp/started; " + FOREVER
    liveness = probe("test ! -f /tmp/started", failureThreshold=2)
    pods.run(shell(script, startupProbe=probe("test -f /tmp/started"), livenessProbe=liveness))
    pods.until(lambda pod: container(pod).get("started"))
    pods.until(lambda pod: container(pod)["restartCount"])
    assert pods.events("Killing") == ["Container c failed liveness probe, will be restarted"]


def test_a_pod_with_an_ended_process_is_immediately_not_ready(pods: Pods) -> None:
    pods.run(shell("sleep 1; exit 3"), restartPolicy="Never")
    pods.until(ready)
    pod = pods.until(ended)
    assert not ready(pod)
    assert (pod["status"]["phase"], container(pod)["state"]["terminated"]["exitCode"]) == ("Failed", 3)


def test_a_crash_loop_backs_off_and_keeps_the_last_message(pods: Pods) -> None:
    words = {"terminationMessagePolicy": "FallbackToLogsOnError"}
    pods.run(shell("echo run; echo broken >&2; exit 7", **words))
    pod = pods.until(lambda pod: container(pod)["state"].get("waiting", {}).get("reason") == "CrashLoopBackOff")
    last = container(pod)["lastState"]["terminated"]
    assert (last["exitCode"], last["reason"], last["message"]) == (7, "Error", "run\nbroken\n")
    assert pods.log(previous="true") == "run\nbroken\n"


def test_init_containers_run_in_turn_and_sidecars_stay(pods: Pods) -> None:
    note = {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}
    first = shell("echo first >> /v/order", **note) | {"name": "first"}
    sidecar = shell(f"sleep 0.5; echo sidecar >> /v/order; {FOREVER}", **note)
    sidecar |= {"name": "sidecar", "restartPolicy": "Always", "startupProbe": probe("grep sidecar /v/order")}
    second = shell("echo second >> /v/order", **note) | {"name": "second"}
    main = shell(f"echo main >> /v/order; cat /v/order; {FOREVER}", **note)
    pods.run(main, initContainers=[first, sidecar, second], volumes=[{"name": "v", "emptyDir": {}}])
    pod = pods.until(ready)
    assert pods.log().split() == ["first", "sidecar", "second", "main"]
    assert condition(pod, "Initialized")
    assert "running" in container(pod, "sidecar")["state"]


def test_the_main_container_ends_before_the_sidecar_and_hooks_come_first(pods: Pods) -> None:
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}
    pods.make("persistentvolumeclaims", "order", spec=claim)
    volumes = [{"name": "v", "persistentVolumeClaim": {"claimName": "order"}}]
    mounts = [{"name": "v", "mountPath": "/v"}]
    say = "trap 'echo {0} >> /v/order; exit 0' TERM; sleep infinity & wait"
    hook = {"preStop": {"exec": {"command": ["sh", "-c", "sleep 0.5; echo hook >> /v/order"]}}}
    main = shell(say.format("main"), lifecycle=hook, volumeMounts=mounts)
    sidecar = shell(say.format("sidecar"), volumeMounts=mounts) | {"name": "s", "restartPolicy": "Always"}
    pods.run(main, initContainers=[sidecar], volumes=volumes)
    pods.until(ready)
    pods.delete()
    pods.until_gone()
    order = pods.claims / f"{pods.namespace}_order" / "order"
    assert order.read_text().split() == ["hook", "main", "sidecar"]


def test_a_process_that_ignores_sigterm_is_killed_after_its_grace(pods: Pods) -> None:
    pods.run(shell("sleep infinity"), terminationGracePeriodSeconds=600)  # a first process without a handler
    pods.until(ready)
    pods.delete(gracePeriodSeconds="1")
    pods.until_gone()


def test_logs_are_followed_until_the_container_ends(pods: Pods) -> None:
    pods.run(shell("echo one; sleep 1; echo two"), restartPolicy="Never")
    pods.until(lambda pod: "waiting" not in container(pod)["state"] and container(pod)["state"])
    lines: list[str] = []

    def follow() -> None:
        lines.extend(pods.api.lines(pods.path("pods", "p") + "/log", follow="true"))

    reader = threading.Thread(target=follow)
    reader.start()
    reader.join(20)
    assert not reader.is_alive()
    assert lines == ["one", "two"]
