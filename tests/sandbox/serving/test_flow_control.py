"""Flow control with the real EPP of release 0.6, under load: order of priorities, a reject, metrics."""

import os
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import yaml

from sandbox.cluster.keeper import SIMULATOR
from tests.sandbox import running
from tests.sandbox.running import Running, private_home, soon
from tests.sandbox.serving.traffic import Traffic, send, traffic, words
from tests.sandbox.stack.deployment import Deployment, deployment, destroyed_afterwards

pytestmark = pytest.mark.thorough

NAMESPACE = "llm-d-pd"
FLOW = {
    "requestTtl": 60,
    # The EPP takes the mean of the pool: decode with two waiting requests and prefill with none are full.
    "saturation": {"queueDepth": 1},
    "priorities": [{"name": "chat", "priority": 10}, {"name": "batch", "priority": 1, "maxBytes": "1500"}],
}
WAITING = re.compile(r"^vllm:num_requests_waiting\{.*\} ([0-9.e+]+)$", re.MULTILINE)
QUEUED = re.compile(r'^inference_extension_flow_control_queue_size\{.*priority="(\d+)".*\} ([0-9.e+]+)$', re.MULTILINE)


@pytest.fixture(scope="module")
def slow_cluster() -> Iterator[Running]:
    home = private_home("flow")
    before = os.environ.get(SIMULATOR)
    os.environ[SIMULATOR] = "--inter-token-latency=50ms"
    try:
        yield running.start(home)
    finally:
        os.environ.pop(SIMULATOR) if before is None else os.environ.update({SIMULATOR: before})
        running.throw_away(home)


@pytest.fixture(scope="module")
def gateway(slow_cluster: Running) -> Iterator[Traffic]:
    with destroyed_afterwards(deployment(slow_cluster, "amd")) as stack:
        _with_flow_control(stack)
        stack.up(prefill__replicas=1, monitoring__enabled=False, **{"decode__extraArgs[0]": "--max-num-seqs=1"})
        with traffic(stack) as requests:
            assert soon(requests.disaggregated)
            yield requests


def _with_flow_control(stack: Deployment) -> None:
    file = stack.engine.cwd / f"Pulumi.{stack.stack}.yaml"
    document = yaml.safe_load(file.read_text())
    document["config"]["llm-d-pd:serving"]["routing"] = {"flowControl": FLOW}
    file.write_text(yaml.safe_dump(document, sort_keys=False))


@dataclass
class Sent:
    """One request: who sent it, its status, and when it ended."""

    name: str
    status: int = 0
    ended: float = 0


@dataclass
class Clients:
    """Requests in threads of their own."""

    gateway: Traffic
    headers: dict[str, str]

    def begin(self, name: str, tokens: int, prompt: str = "") -> tuple[Sent, threading.Thread]:
        sent = Sent(name)
        text = self.headers.get(name, "")
        headers = dict([text.split(": ")]) if text else {}
        body = {"model": self.gateway.model, "prompt": prompt or f"{name} {time.monotonic()}", "max_tokens": tokens}

        def ask() -> None:
            sent.status = send(
                self.gateway.port, "POST", "/v1/completions", {**body, "ignore_eos": True}, headers
            ).status
            sent.ended = time.monotonic()

        thread = threading.Thread(target=ask, daemon=True)
        thread.start()
        return sent, thread

    def fill(self, tokens: int) -> list[threading.Thread]:
        """Four requests for the one decode worker, which computes one at a time; the others wait."""
        threads = [self.begin("nobody", tokens)[1] for _ in range(4)]
        assert soon(lambda: self.waiting() >= 2), self.waiting()
        time.sleep(1)  # until the EPP, which reads every 250 ms, has seen it
        return threads

    def waiting(self) -> int:
        """Requests that wait at the decode worker."""
        return sum(int(float(number)) for number in WAITING.findall(self._metrics("llm-d.ai/role=decode", 8200)))

    def queued(self) -> dict[str, int]:
        """Requests in the queues of the EPP, by priority."""
        text = self._metrics("inferencepool=gaie-pd-epp", 9090)
        return {priority: int(float(number)) for priority, number in QUEUED.findall(text)}

    def _metrics(self, selector: str, port: int) -> str:
        pods = f"/api/v1/namespaces/{NAMESPACE}/pods"
        [pod] = self.gateway.api.get(pods, labelSelector=selector)["items"]
        return self.gateway.api.text(f"{pods}/{pod['metadata']['name']}:{port}/proxy/metrics")


@pytest.fixture(scope="module")
def clients(gateway: Traffic) -> Clients:
    return Clients(gateway, gateway.stack.outputs["priorities"])


def test_a_chat_that_comes_later_goes_before_the_batch(clients: Clients) -> None:
    fillers = clients.fill(tokens=120)  # 6 s each
    batch = [clients.begin("batch", 4) for _ in range(3)]
    assert soon(lambda: clients.queued().get("1") == 3, 5), (clients.queued(), clients.waiting())
    chat = [clients.begin("chat", 4) for _ in range(3)]
    assert soon(lambda: clients.queued().get("10") == 3, 5), (clients.queued(), clients.waiting())
    for thread in (*fillers, *(each for _, each in (*batch, *chat))):
        thread.join()
    assert {each.status for each, _ in (*batch, *chat)} == {200}
    assert max(each.ended for each, _ in chat) < min(each.ended for each, _ in batch)


def test_a_request_that_does_not_fit_its_queue_is_rejected_at_once(clients: Clients) -> None:
    """docs/flow-control.md: 429, while the workers are busy."""
    assert soon(lambda: clients.waiting() == 0 and not any(clients.queued().values()))
    fillers = clients.fill(tokens=120)
    large, thread = clients.begin("batch", 4, words(300, "large"))
    thread.join()
    assert large.status == 429, large
    assert any(each.is_alive() for each in fillers), "it did not wait for them"
    for each in fillers:
        each.join()
