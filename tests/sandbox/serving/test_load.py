"""32 clients while parts of the stack are killed, rolled, restarted and changed: what docs/using.md promises them."""

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from sandbox.cluster.companions import SIMULATOR
from tests.sandbox import running
from tests.sandbox.running import Running, private_home, soon
from tests.sandbox.serving.load import Load
from tests.sandbox.serving.traffic import Traffic, traffic
from tests.sandbox.stack.deployment import deployment, destroyed_afterwards, ready

pytestmark = pytest.mark.thorough
CLIENTS = 32
NAMESPACE = "llm-d-pd"


@dataclass(frozen=True)
class Storm:
    """What clients saw: the load, and when each event began and was over."""

    load: Load
    events: dict[str, tuple[float, float]]

    def lost(self, event: str) -> list[str]:
        return [one.trouble for one in self.load.lost(*self.events[event])]


@pytest.fixture(scope="module")
def slow_cluster() -> Iterator[Running]:
    """Its simulators take 50 ms per token, so that streams are under way when something happens."""
    home = private_home("load")
    before = os.environ.get(SIMULATOR)
    os.environ[SIMULATOR] = "--inter-token-latency=50ms"
    try:
        yield running.start(home)
    finally:
        os.environ.pop(SIMULATOR) if before is None else os.environ.update({SIMULATOR: before})
        running.throw_away(home)


@pytest.fixture(scope="module")
def storm(slow_cluster: Running) -> Iterator[Storm]:
    with destroyed_afterwards(deployment(slow_cluster, "amd")) as stack:
        stack.up(decode__replicas=2, decode__tensorParallel=2)
        with traffic(stack) as gateway:
            load, events = Load(gateway.port, gateway.model, CLIENTS), {}
            with load.running():
                time.sleep(3)
                for name, event in EVENTS.items():
                    begun = time.monotonic()
                    event(gateway)
                    time.sleep(3)  # what is under way meets the consequences
                    events[name] = (begun, time.monotonic())
            yield Storm(load, events)


def kill_a_prefill_worker(gateway: Traffic) -> None:
    """SIGKILL its vLLM; the pod stays for a moment Ready, and is restarted."""
    simulators = [
        pid
        for pid, command in running.processes(gateway.stack.cluster.home).items()
        if command.startswith("/opt/vllm/simulator") and "--port=8000" in command
    ]
    os.kill(min(simulators), signal.SIGKILL)
    assert soon(lambda: any(_restarts(pod) for pod in gateway.stack.pods(role="prefill")))


def roll_the_decode_tier(gateway: Traffic) -> None:
    """Replace every decode pod, as a change of its settings does."""
    old = {pod.metadata.name for pod in gateway.stack.pods(role="decode")}
    path = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/ms-pd-llm-d-modelservice-decode"
    gateway.api.patch(path, {"spec": {"template": {"metadata": {"annotations": {"rolled": "now"}}}}})

    def rolled() -> bool:
        pods = gateway.stack.pods(role="decode")
        return len(pods) == 2 and all(ready(pod) and pod.metadata.name not in old for pod in pods)

    assert soon(rolled, 300)


def restart_the_picker(gateway: Traffic) -> None:
    """Delete its pod; a new one is made."""
    pods = f"/api/v1/namespaces/{NAMESPACE}/pods"
    [old] = gateway.api.get(pods, labelSelector="inferencepool=gaie-pd-epp")["items"]
    gateway.api.delete(f"{pods}/{old['metadata']['name']}")

    def restarted() -> bool:
        now = [pod for pod in gateway.stack.pods() if "inferencepool" in pod.metadata.labels]
        return [pod.metadata.name for pod in now if ready(pod)] not in ([], [old["metadata"]["name"]])

    assert soon(restarted, 300)


def change_the_gateways_configuration(gateway: Traffic) -> None:
    """Give the route another rule, three times."""
    path = f"/apis/gateway.networking.k8s.io/v1/namespaces/{NAMESPACE}/httproutes/llm-d-pd-disaggregation"
    [rule] = gateway.api.get(path)["spec"]["rules"]
    for number in range(3):
        other = {**rule, "matches": [{"path": {"type": "PathPrefix", "value": f"/other-{number}"}}]}
        gateway.api.patch(path, {"spec": {"rules": [other, rule]}})
        time.sleep(0.7)


EVENTS = {
    "prefill worker killed": kill_a_prefill_worker,
    "decode tier rolled": roll_the_decode_tier,
    "gateway's configuration changed": change_the_gateways_configuration,
    "picker restarted": restart_the_picker,
}


def test_everybody_was_busy(storm: Storm) -> None:
    assert storm.load.requests[-1].ended - storm.load.requests[0].begun >= 30
    assert sum(one.streamed for one in storm.load.requests) > 100


@pytest.mark.parametrize("event", ["prefill worker killed", "decode tier rolled", "gateway's configuration changed"])
def test_no_request_is_lost(storm: Storm, event: str) -> None:
    assert len(storm.load.during(*storm.events[event])) > CLIENTS
    assert storm.lost(event) == []


def test_all_is_well_again_after_the_picker_was_restarted(storm: Storm) -> None:
    _, over = storm.events["picker restarted"]
    assert storm.load.lost(over - 1, float("inf")) == []


def _restarts(pod: object) -> int:
    return sum(each.restart_count for each in pod.status.container_statuses or [])  # type: ignore[attr-defined]
