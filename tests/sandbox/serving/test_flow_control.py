"""Queues and priorities of the EPP of 0.6 while workers are full.

The simulators stop and go by their latency, so that nothing here depends on the time that something takes.
"""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from tests.sandbox.running import Running, soon
from tests.sandbox.serving.traffic import Answer, Traffic, send, traffic
from tests.sandbox.stack.deployment import deployment, destroyed_afterwards

pytestmark = pytest.mark.thorough
PODS = "/api/v1/namespaces/llm-d-pd/pods"
WORKERS = {"prefill": 8000, "decode": 8200}
LOW = 20
"""Requests of the low priority, which wait before the one of the high priority comes."""
LONG = "word " * 8000
"""A prompt of 40 kB: the queue of batch has space for one."""
SETTINGS = {
    **{f"{role}__extraArgs[0]": "--max-num-seqs=1" for role in WORKERS},
    "prefill__replicas": 1,
    "monitoring__enabled": False,  # the EPP shows its metrics without a token
    "routing__verbosity": 5,
    "routing__flowControl.saturation.queueDepth": 1,
    "routing__flowControl.priorities[0].name": "chat",
    "routing__flowControl.priorities[0].priority": 10,
    "routing__flowControl.priorities[1].name": "batch",
    "routing__flowControl.priorities[1].priority": -1,
    "routing__flowControl.priorities[1].maxBytes": "64Ki",
}
CHAT, BATCH = "10", "-1"
FLOW = "inference_extension_flow_control_"
QUEUE = f"{FLOW}queue_size"
ENTERED, LEFT = f"{FLOW}request_enqueue_duration_seconds_count", f"{FLOW}request_queue_duration_seconds_count"


@pytest.fixture(scope="module")
def gateway(cluster: Running) -> Iterator[Traffic]:
    with destroyed_afterwards(deployment(cluster, "amd")) as stack:
        stack.up(**SETTINGS)
        with traffic(stack) as requests:
            assert soon(requests.disaggregated)
            yield requests


@pytest.fixture(scope="module")
def headers(gateway: Traffic) -> dict[str, dict[str, str]]:
    """Priority → the header of the stack's output."""
    given = gateway.stack.outputs["priorities"]
    return {number: dict([given[name].split(": ")]) for name, number in (("chat", CHAT), ("batch", BATCH))}


def test_a_later_request_of_higher_priority_leaves_the_queue_first(
    gateway: Traffic, headers: dict[str, dict[str, str]]
) -> None:
    with ThreadPoolExecutor(LOW + 1) as pool:
        with _full(gateway):
            sent = [pool.submit(_ask, gateway, headers[BATCH], f"low {number}") for number in range(LOW)]
            assert soon(lambda: _sum(gateway, ENTERED, BATCH) == LOW)
            sent.append(pool.submit(_ask, gateway, headers[CHAT], "high"))
            assert soon(lambda: _sum(gateway, ENTERED, CHAT) == 1)
            assert (_sum(gateway, QUEUE, CHAT), _sum(gateway, QUEUE, BATCH)) == (1, LOW)
            assert not any(one.done() for one in sent)
        assert [one.result().status for one in sent] == [200] * (LOW + 1)
    assert [priority for priority in _dispatched(gateway) if priority] == [10] + [-1] * LOW
    assert (_sum(gateway, QUEUE, CHAT), _sum(gateway, QUEUE, BATCH)) == (0, 0)
    assert (_sum(gateway, LEFT, CHAT, "Dispatched"), _sum(gateway, LEFT, BATCH, "Dispatched")) == (1, LOW)


def test_a_request_that_finds_the_queue_of_its_priority_full_gets_429(
    gateway: Traffic, headers: dict[str, dict[str, str]]
) -> None:
    before = {priority: _sum(gateway, ENTERED, priority) for priority in headers}
    with ThreadPoolExecutor(2) as pool:
        with _full(gateway):
            waiting = [pool.submit(_ask, gateway, headers[priority], LONG) for priority in headers]
            assert soon(lambda: all(_sum(gateway, ENTERED, each) == before[each] + 1 for each in headers))
            assert _ask(gateway, headers[BATCH], LONG).status == 429
        assert [one.result().status for one in waiting] == [200, 200]
    assert _sum(gateway, LEFT, BATCH, "RejectedCapacity") == 1


def test_a_request_that_waits_too_long_gets_503(gateway: Traffic, headers: dict[str, dict[str, str]]) -> None:
    """The last test: its setting stays."""
    gateway.stack.up(**{"routing__flowControl.requestTtl": 2})
    assert soon(lambda: len(_pickers(gateway)) == 1)
    assert soon(gateway.disaggregated)
    with _full(gateway):
        assert _ask(gateway, headers[BATCH], "late").status == 503
    assert _sum(gateway, LEFT, BATCH, "EvictedTTL") == 1


def _ask(gateway: Traffic, header: dict[str, str], prompt: str) -> Answer:
    body = {"model": gateway.model, "prompt": prompt, "max_tokens": 4, "ignore_eos": True}
    return send(gateway.port, "POST", "/v1/completions", body, header)


@contextmanager
def _full(gateway: Traffic) -> Iterator[None]:
    """Keep both workers full by requests that the EPP does not see; it sees their queues.

    Both, because a worker counts as just full when the EPP reads its metrics too late.
    """
    pods = {gateway.stack.pods(role=role)[0].metadata.name: port for role, port in WORKERS.items()}
    long = {"model": gateway.model, "prompt": "long", "max_tokens": 6000, "ignore_eos": True}

    def post(pod: str, path: str, body: object) -> None:
        gateway.api.create(f"{PODS}/{pod}:{pods[pod]}/proxy/{path}", body)

    def pace(token: str) -> None:
        for pod in pods:
            post(pod, "admin/config", {"inter-token-latency": token})

    with ThreadPoolExecutor(3 * len(pods)) as pool:
        pace("100ms")
        asked = [pool.submit(post, pod, "v1/completions", long) for pod in pods for _ in range(3)]
        try:
            assert soon(lambda: all(_sum(gateway, "inference_pool_per_pod_queue_size", pod) == 2 for pod in pods))
            yield
        finally:
            pace("0s")
    for one in asked:
        one.result()


def _dispatched(gateway: Traffic) -> list[int]:
    """Priorities of the requests that left the EPP's queues, in order."""
    lines = gateway.api.text(f"{_picker(gateway)}/log").splitlines()
    found = [json.loads(line[line.index("{") :]) for line in lines if '"Item dispatched."' in line]
    numbers = [int(one["flowKey"].rpartition(":")[2]) for one in found]  # unsigned: -1 is 2^64 - 1
    return [number - 2**64 if number >= 2**63 else number for number in numbers]


def _sum(gateway: Traffic, metric: str, *labels: str) -> float:
    """Sum of the EPP's numbers with labels of these values, or a name of a pod in one."""
    lines = gateway.api.text(f"{_picker(gateway)}:9090/proxy/metrics").splitlines()
    found = [line for line in lines if line.startswith(metric + "{") and all(f'"{label}' in line for label in labels)]
    return sum(float(line.split()[-1]) for line in found)


def _picker(gateway: Traffic) -> str:
    return f"{PODS}/{_pickers(gateway)[0]}"


def _pickers(gateway: Traffic) -> list[Any]:
    pods = gateway.api.get(PODS, labelSelector="inferencepool=gaie-pd-epp")["items"]
    return [pod["metadata"]["name"] for pod in pods]
