"""Lives and ends of pods: probes, restarts, order, hooks, grace, logs, and what is left behind."""

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from sandbox.cluster.api import ApiError
from tests.sandbox import running
from tests.sandbox.pods.harness import Object, Pods, condition, container, ended, ready, shell
from tests.sandbox.pods.machine import network, networks, processes
from tests.sandbox.running import soon

FOREVER = "trap 'exit 0' TERM; sleep infinity & wait"


def probe(command: str, **more: Any) -> Object:
    return {"exec": {"command": ["sh", "-c", command]}, "periodSeconds": 1, **more}


class TestProbes:
    def test_a_pod_is_ready_while_its_container_says_so(self, pods: Pods) -> None:
        volumes = [{"name": "v", "persistentVolumeClaim": {"claimName": "switch"}}]
        mounts = [{"name": "v", "mountPath": "/v"}]
        pods.make(
            "persistentvolumeclaims",
            "switch",
            spec={"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}},
        )
        readiness = probe("test -f /v/ready", failureThreshold=1, periodSeconds=60, initialDelaySeconds=60)
        one = shell(FOREVER, readinessProbe=readiness, volumeMounts=mounts)
        pods.run(one, volumes=volumes)
        pod = pods.until(lambda pod: container(pod).get("started"))
        assert not ready(pod)
        assert pod["status"]["phase"] == "Running"
        switch = pods.claims / f"{pods.namespace}_switch" / "ready"
        switch.touch()
        pods.until(ready)
        switch.unlink()
        pods.until(lambda pod: not ready(pod))  # within a second, though the probe's own period is a minute
        assert "Readiness probe failed: command ended with exit code 1: " in pods.events("Unhealthy")

    def test_a_container_that_does_not_start_in_time_is_restarted(self, pods: Pods) -> None:
        startup = {"tcpSocket": {"port": 1}, "periodSeconds": 1, "failureThreshold": 1}
        pods.run(shell(FOREVER, startupProbe=startup, readinessProbe=probe("true")))
        pod = pods.until(lambda pod: container(pod)["restartCount"])
        assert not container(pod)["started"]
        assert not ready(pod)
        assert container(pod)["lastState"]["terminated"]["exitCode"] == 0
        [said] = pods.events("Unhealthy")
        assert said.startswith(f"Startup probe failed: tcpSocket {pod['status']['podIP']}:1: ")

    def test_liveness_waits_for_the_start_and_then_restarts(self, pods: Pods) -> None:
        script = "sleep 1; touch /tmp/started; " + FOREVER
        liveness = probe("test ! -f /tmp/started", failureThreshold=2)
        pods.run(shell(script, startupProbe=probe("test -f /tmp/started"), livenessProbe=liveness))
        pods.until(lambda pod: container(pod).get("started"))
        pods.until(lambda pod: container(pod)["restartCount"])
        assert pods.events("Killing") == ["Container c failed liveness probe, will be restarted"]

    def test_a_pod_whose_process_ends_is_not_ready_at_once(self, pods: Pods) -> None:
        pods.run(shell("sleep 1; exit 3"), restartPolicy="Never")
        pods.until(ready)
        pod = pods.until(ended)
        assert not ready(pod)
        assert (pod["status"]["phase"], container(pod)["state"]["terminated"]["exitCode"]) == ("Failed", 3)


class TestRestarts:
    def test_a_crash_loop_backs_off_and_keeps_the_last_words(self, pods: Pods) -> None:
        words = {"terminationMessagePolicy": "FallbackToLogsOnError"}
        pods.run(shell("echo run; echo broken >&2; exit 7", **words))
        pod = pods.until(lambda pod: container(pod)["state"].get("waiting", {}).get("reason") == "CrashLoopBackOff")
        told = container(pod)
        assert told["restartCount"] == 1  # the first restart is immediate
        assert told["state"]["waiting"]["message"].startswith("back-off 10s restarting failed container=c pod=p_")
        last = told["lastState"]["terminated"]
        assert (last["exitCode"], last["reason"], last["message"]) == (7, "Error", "run\nbroken\n")
        assert pod["status"]["phase"] == "Running"
        assert pods.log(previous="true") == "run\nbroken\n"

    def test_a_message_of_the_containers_own_comes_first(self, pods: Pods) -> None:
        script = "echo log; echo why > /dev/termination-log; exit 1"
        pods.run(shell(script, terminationMessagePolicy="FallbackToLogsOnError"), restartPolicy="Never")
        assert container(pods.until(ended))["state"]["terminated"]["message"] == "why\n"


class TestOrder:
    def test_init_containers_run_in_turn_and_sidecars_stay(self, pods: Pods) -> None:
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
        assert container(pod, "second")["state"]["terminated"]["reason"] == "Completed"

    def test_the_main_container_ends_before_the_sidecar_and_hooks_come_first(self, pods: Pods) -> None:
        pods.make(
            "persistentvolumeclaims",
            "order",
            spec={"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}},
        )
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


class TestEnds:
    def test_what_ignores_sigterm_gets_its_grace_and_no_more(self, pods: Pods) -> None:
        pods.run(shell("sleep infinity"), terminationGracePeriodSeconds=2)  # a first process without a handler
        pods.until(ready)
        began = time.monotonic()
        pods.delete()
        pods.until_gone()
        assert 2 <= time.monotonic() - began < 30, "thirty is what it had without its own grace"

    def test_a_shorter_grace_replaces_a_longer_one(self, pods: Pods) -> None:
        pods.run(shell("sleep infinity"), terminationGracePeriodSeconds=600)
        pods.until(ready)
        pods.delete()
        pods.delete(gracePeriodSeconds="1")
        pods.until_gone()

    @pytest.mark.parametrize("query", [{}, {"gracePeriodSeconds": "0"}], ids=["in order", "at once"])
    def test_nothing_of_a_pod_is_left(self, pods: Pods, query: dict[str, str]) -> None:
        mark = f"mark-{pods.namespace}"
        mounts = [{"name": "v", "mountPath": "/v"}]
        pods.run(shell(f"{FOREVER} # {mark}", volumeMounts=mounts), volumes=[{"name": "v", "emptyDir": {}}])
        pods.until(ready)
        [pid] = processes(mark)
        its_network = network(pid)
        assert (pods.logs / f"{pods.namespace}_p" / "c.log").exists()
        pods.delete(**query)
        pods.until_gone()
        assert soon(lambda: not processes(mark))
        assert soon(lambda: its_network not in networks())
        assert soon(lambda: not (pods.logs / f"{pods.namespace}_p").exists())

    def test_an_address_is_not_given_again_at_once(self, pods: Pods) -> None:
        pods.run(shell(FOREVER))
        first = pods.until(ready)["status"]["podIP"]
        pods.delete()
        pods.until_gone()
        pods.run(shell(FOREVER))
        assert pods.until(ready)["status"]["podIP"] != first


def test_two_nodes_use_the_same_port_on_the_hosts_network(pods: Pods) -> None:
    serve = shell("exec python3 -m http.server 8000", readinessProbe={"httpGet": {"port": 8000}})
    for node in ("amd-0", "amd-1"):
        pods.run(serve, name=node, nodeName=node, hostNetwork=True)
    found = [pods.until(ready, node)["status"] for node in ("amd-0", "amd-1")]
    assert [told["podIP"] for told in found] == ["10.244.254.1", "10.244.254.2"]
    assert [told["hostIP"] for told in found] == ["10.244.254.1", "10.244.254.2"]


class TestLogs:
    def test_as_the_api_server_is_asked(self, pods: Pods) -> None:
        pods.run(shell("for i in 1 2 3 4; do echo line $i; done; " + FOREVER))
        pods.until(ready)
        assert pods.log(container="c", tailLines="2") == "line 3\nline 4\n"
        assert pods.log(limitBytes="6") == "line 1"
        assert pods.log(tailLines="0") == ""
        file = pods.logs / f"{pods.namespace}_p" / "c.log"
        assert file.read_text() == pods.log()

    def test_followed_until_the_container_ends(self, pods: Pods) -> None:
        pods.run(shell("echo one; sleep 1; echo two"), restartPolicy="Never")
        pods.until(lambda pod: "waiting" not in container(pod)["state"] and container(pod)["state"])
        lines: list[tuple[str, float]] = []

        def follow() -> None:
            for line in pods.api.lines(pods.path("pods", "p") + "/log", follow="true"):
                lines.append((line, time.monotonic()))

        reader = threading.Thread(target=follow)
        reader.start()
        reader.join(20)
        assert not reader.is_alive()
        assert [line for line, _ in lines] == ["one", "two"]

    def test_what_cannot_be_had_is_said(self, pods: Pods) -> None:
        pods.run(shell(FOREVER))
        pods.until(ready)
        with pytest.raises(ApiError, match="previous terminated"):
            pods.log(previous="true")
        with pytest.raises(ApiError, match="keeps no times"):
            pods.log(timestamps="true")


def test_pods_run_anew_after_the_runner_was_killed(pods: Pods) -> None:
    mark = f"mark-{pods.namespace}"
    pods.run(shell(f"{FOREVER} # {mark}"))
    before = pods.until(ready)
    [pid] = processes(mark)
    [runner] = [number for number, words in running.processes(pods.cluster.home).items() if "-m sandbox.pods" in words]
    os.kill(runner, signal.SIGKILL)
    assert soon(lambda: not Path(f"/proc/{pid}").exists())
    after = pods.until(lambda pod: container(pod)["restartCount"] == 1 and ready(pod))
    assert after["status"]["podIP"] == before["status"]["podIP"]
    assert container(after)["lastState"]["terminated"]["reason"] == "ContainerStatusUnknown"
    assert len(processes(mark)) == 1
    pods.run(shell(FOREVER), name="second")
    assert pods.until(ready, "second")["status"]["podIP"] != after["status"]["podIP"]
