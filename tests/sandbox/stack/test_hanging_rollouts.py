"""Ways for a rollout to hang: each is explained on Pulumi's screen, what heals goes on, and what does not is ended.

The plugin of the sandbox looks at Deployments only, as the official one: it shows no reason of a pod.
"""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sandbox.cluster.api import Api, ApiError
from sandbox.cluster.keeper import SIMULATOR
from tests.sandbox import running
from tests.sandbox.running import Running, separate, soon
from tests.sandbox.stack.deployment import Deployment, deployment, ready

pytestmark = pytest.mark.thorough

NAMESPACE = "llm-d-pd"
CORE = f"/api/v1/namespaces/{NAMESPACE}"
PREFILL = "ms-pd-llm-d-modelservice-prefill"
ENDED = "the wait is ended"


@dataclass(frozen=True)
class Up:
    """A running `pulumi up`."""

    process: "subprocess.Popen[bytes]"
    file: Path

    @property
    def screen(self) -> str:
        return " ".join(self.file.read_text().split())

    def explains(self, appears: Callable[[], object], *words: str) -> None:
        """Wait for the symptom; then the screen gets all words."""
        assert soon(lambda: bool(appears()), 90), f"it never appears\n{self.screen}"
        assert soon(lambda: all(word in self.screen for word in words), 60), f"{words}\n{self.file.read_text()}"

    def goes_on(self) -> bool:
        return self.process.poll() is None and ENDED not in self.screen

    def ends(self, seconds: float = 90) -> int:
        return self.process.wait(seconds)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Running]:
    """Model servers take 6 s to load, so that a signal reaches them before they are Ready on a busy machine, too."""
    with separate("hanging", variables={SIMULATOR: "--startup-duration=6s"}) as started:
        yield started


@pytest.fixture(scope="module")
def amd(cluster: Running, api: Api) -> Iterator[Deployment]:
    """A stack in a namespace that is there before it, because a claim must be."""
    api.apply(CORE, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    made = deployment(cluster, "amd")
    made.up(**SMALL)
    yield made


SMALL = {
    "createNamespace": False,
    "prefill__replicas": 1,
    "decode__replicas": 1,
    "decode__tensorParallel": 1,
    "gateway__provider": "standalone",
    "monitoring__enabled": False,
}


@contextmanager
def up(stack: Deployment, tmp_path: Path, **settings: Any) -> Iterator[Up]:
    """Run `pulumi up` with other settings, as a user types it; take the settings back afterwards."""
    file = stack.engine.cwd / f"Pulumi.{stack.stack}.yaml"
    before = file.read_text()
    stack.configure(**settings)
    command = [*stack.cluster.enter, "pulumi", "up", "--yes", "--skip-preview", "--stack", stack.stack]
    with (tmp_path / "screen").open("wb") as screen:
        process = subprocess.Popen(
            [*command, "--color=never", "--non-interactive"],
            cwd=stack.engine.cwd,
            env=stack.engine.env,
            stdout=screen,
            stderr=subprocess.STDOUT,
        )
    try:
        yield Up(process, tmp_path / "screen")
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.wait(60)
        file.write_text(before)


def prefill(stack: Deployment) -> list[Any]:
    return stack.pods(role="prefill")


def waits(stack: Deployment, word: str) -> bool:
    """Whether a container of a prefill pod waits for a reason with this word."""
    states = [one.state.waiting for pod in prefill(stack) for one in pod.status.container_statuses or []]
    return any(word in (state.reason or "") for state in states if state)


def rolled(number: int) -> dict[str, Any]:
    """Return a setting that rolls the prefill tier."""
    return {"prefill__env__TRY": f"n{number}"}


def unplaced(stack: Deployment, word: str) -> bool:
    conditions = [one for pod in prefill(stack) for one in pod.status.conditions or []]
    return any(one.type == "PodScheduled" and word in (one.message or "") for one in conditions)


def refused(api: Api, word: str) -> bool:
    sets = api.get(f"/apis/apps/v1/namespaces/{NAMESPACE}/replicasets")["items"]
    conditions = [one for each in sets for one in each["status"].get("conditions") or []]
    return any(one["type"] == "ReplicaFailure" and word in one["message"] for one in conditions)


class Strikes:
    """Sends a signal to each new prefill model server, until `release`; SIGKILL to the first two of them."""

    def __init__(self, stack: Deployment, number: signal.Signals) -> None:
        self._stack, self._number, self._old = stack, number, model_servers(stack)
        self.struck: list[int] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._strike, daemon=True)
        self._thread.start()

    def _strike(self) -> None:
        while not self._ended.wait(0.01):
            for pid in model_servers(self._stack) - self._old - {*self.struck}:
                if self._number == signal.SIGSTOP or len(self.struck) < 2:
                    with suppress(ProcessLookupError):
                        os.kill(pid, self._number)
                self.struck.append(pid)

    def release(self) -> None:
        """Let all servers go on."""
        self._ended.set()
        self._thread.join()
        for pid in self.struck:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


@contextmanager
def strikes(stack: Deployment, number: signal.Signals) -> Iterator[Strikes]:
    made = Strikes(stack, number)
    try:
        yield made
    finally:
        made.release()


def model_servers(stack: Deployment) -> set[int]:
    commands = running.processes(stack.cluster.home)
    return {pid for pid, text in commands.items() if text.startswith("/opt/vllm/simulator") and "--port=8000" in text}


def test_an_image_that_is_missing_is_explained_and_the_wait_goes_on(amd: Deployment, tmp_path: Path) -> None:
    with up(amd, tmp_path, prefill__image="registry.example.com/nothing:1") as run:
        run.explains(lambda: waits(amd, "ErrImage"), "ErrImagePull", "serving.prefill.image", "pullSecrets")
        time.sleep(15)
        assert run.goes_on()
    amd.up()
    assert all(map(ready, prefill(amd)))


def test_a_wrong_flag_ends_the_wait_and_the_next_up_converges(amd: Deployment, tmp_path: Path) -> None:
    with up(amd, tmp_path, **{"prefill__extraArgs[0]": "--no-such-flag"}) as run:
        run.explains(
            lambda: waits(amd, "CrashLoop"), "unrecognized arguments: --no-such-flag", "serving.prefill.extraArgs"
        )
        assert run.ends() != 0
        assert ENDED in run.screen and "ended 3 times, last with code 2" in run.screen
    amd.up()
    assert all(map(ready, prefill(amd)))


def test_no_gpu_heals(amd: Deployment, api: Api, tmp_path: Path) -> None:
    nodes = [one["metadata"]["name"] for one in api.get("/api/v1/nodes")["items"]]
    for node in nodes:
        api.patch(f"/api/v1/nodes/{node}/status", {"status": {"allocatable": {"amd.com/gpu": "0"}}})
    with up(amd, tmp_path, **rolled(1)) as run:
        run.explains(
            lambda: unplaced(amd, "Insufficient amd.com/gpu"), "Insufficient amd.com/gpu", "prefill.tensorParallel"
        )
        for node in nodes:
            api.patch(f"/api/v1/nodes/{node}/status", {"status": {"allocatable": {"amd.com/gpu": "8"}}})
        assert run.ends() == 0, run.screen


def test_a_quota_heals(amd: Deployment, api: Api, tmp_path: Path) -> None:
    quota = {"metadata": {"name": "full"}, "spec": {"hard": {"pods": "1"}}}
    api.create(f"{CORE}/resourcequotas", quota)
    with up(amd, tmp_path, **rolled(2)) as run:
        run.explains(lambda: refused(api, "exceeded quota"), "exceeded quota: full", "ResourceQuota")
        api.delete(f"{CORE}/resourcequotas/full")
        assert run.ends() == 0, run.screen


def test_a_claim_that_is_pending_heals(amd: Deployment, api: Api, tmp_path: Path) -> None:
    disk: dict[str, Any] = {"accessModes": ["ReadWriteMany"], "storageClassName": "local"}
    claim = {**disk, "resources": {"requests": {"storage": "1Gi"}}}
    api.create(f"{CORE}/persistentvolumeclaims", {"metadata": {"name": "scratch"}, "spec": claim})
    volume = {"name": "scratch", "mountPath": "/scratch", "claim": "scratch"}
    with up(amd, tmp_path, **{f"prefill.volumes[0].{key}": value for key, value in volume.items()}) as run:
        run.explains(
            lambda: unplaced(amd, "PersistentVolumeClaim"), "unbound immediate PersistentVolumeClaims", "claim"
        )
        made = {**disk, "capacity": {"storage": "1Gi"}, "hostPath": {"path": "/tmp"}}
        api.create("/api/v1/persistentvolumes", {"metadata": {"name": "disk"}, "spec": made})
        assert run.ends() == 0, run.screen


def test_a_probe_that_fails_heals(amd: Deployment, tmp_path: Path) -> None:
    def unhealthy() -> bool:
        events = amd.api.list_namespaced_event(NAMESPACE).items
        pods = {pod.metadata.uid for pod in prefill(amd)}
        return any(one.reason == "Unhealthy" and one.involved_object.uid in pods for one in events)

    with strikes(amd, signal.SIGSTOP) as stopped, up(amd, tmp_path, **rolled(3)) as run:
        run.explains(unhealthy, "probe failed", "serving.prefill.rollout.startupBudget")
        stopped.release()
        assert run.ends() == 0, run.screen


def test_a_crash_heals(amd: Deployment, tmp_path: Path) -> None:
    with strikes(amd, signal.SIGKILL), up(amd, tmp_path, **rolled(4)) as run:
        run.explains(lambda: waits(amd, "CrashLoop"), "ended 2 times, last with code 137", "serving.prefill")
        assert run.ends() == 0, run.screen
        assert ENDED not in run.screen


def test_a_node_that_is_gone_is_replaced(amd: Deployment, api: Api, tmp_path: Path) -> None:
    with strikes(amd, signal.SIGSTOP) as stopped, up(amd, tmp_path, **rolled(5)) as run:
        assert soon(lambda: len(stopped.struck) == 1, 60)
        [pod] = [one for one in prefill(amd) if not one.metadata.deletion_timestamp]
        node = pod.spec.node_name
        made = api.get(f"/api/v1/nodes/{node}")
        api.delete(f"/api/v1/nodes/{node}")
        run.explains(lambda: True, f"node {node} does not exist any more")
        stopped.release()
        assert run.ends(150) == 0, run.screen
    made["metadata"] = {key: made["metadata"][key] for key in ("name", "labels")}
    api.create("/api/v1/nodes", made)


def test_an_admission_policy_ends_the_wait_and_the_next_up_converges(amd: Deployment, api: Api, tmp_path: Path) -> None:
    root = "/apis/admissionregistration.k8s.io/v1"
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    expression = "object.metadata.?labels['llm-d.ai/role'].orValue('') != 'prefill'"
    spec = {
        "matchConstraints": {"resourceRules": [rule]},
        "validations": [{"expression": expression, "message": "no prefill workers on Sundays"}],
    }
    policy, binding = f"{root}/validatingadmissionpolicies", f"{root}/validatingadmissionpolicybindings"
    api.create(policy, {"metadata": {"name": "sunday"}, "spec": spec})
    bound = {"policyName": "sunday", "validationActions": ["Deny"]}
    api.create(binding, {"metadata": {"name": "sunday"}, "spec": bound})
    try:
        with up(amd, tmp_path, **rolled(6)) as run:
            run.explains(lambda: refused(api, "no prefill workers"), "denied request: no prefill workers on Sundays")
            assert run.ends() and ENDED in run.screen
    finally:
        api.delete(f"{binding}/sunday")
        api.delete(f"{policy}/sunday")
    amd.up()
    assert all(map(ready, prefill(amd)))


def test_a_preempted_worker_is_scheduled_again(amd: Deployment, api: Api, tmp_path: Path) -> None:
    classes = "/apis/scheduling.k8s.io/v1/priorityclasses"
    api.create(classes, {"metadata": {"name": "urgent"}, "value": 1000})
    gpus = {"limits": {"amd.com/gpu": "8"}}
    spec = {"priorityClassName": "urgent", "containers": [{"name": "c", "image": "pause:1", "resources": gpus}]}
    try:
        with strikes(amd, signal.SIGSTOP) as stopped, up(amd, tmp_path, **rolled(7)) as run:
            assert soon(lambda: len(stopped.struck) == 1, 60)
            [pod] = [one for one in prefill(amd) if not one.metadata.deletion_timestamp]
            there = {**spec, "nodeSelector": {"kubernetes.io/hostname": pod.spec.node_name}}
            api.create(f"{CORE}/pods", {"metadata": {"name": "urgent"}, "spec": there})
            run.explains(lambda: preempted(api), "Preempted by pod", "serving.prefill.priorityClass")
            stopped.release()
            assert run.ends(150) == 0, run.screen
    finally:
        api.delete(f"{classes}/urgent")
        with suppress(ApiError):
            api.delete(f"{CORE}/pods/urgent", gracePeriodSeconds="0")


def preempted(api: Api) -> bool:
    return any(
        PREFILL in one["involvedObject"]["name"]
        for one in api.get(f"{CORE}/events", fieldSelector="reason=Preempted")["items"]
    )
