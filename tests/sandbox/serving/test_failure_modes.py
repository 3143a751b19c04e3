"""Answers of istio's proxy to POST requests with bodies while the endpoint picker (EPP) does not answer.

Envoy can't fail open once it has sent a part of a body to the EPP (source/extensions/filters/http/ext_proc/ext_proc.cc
of Envoy 1.36 and newer, `Filter::failureModeAllow`). So FailOpen helps if the EPP has no endpoint, and not if the EPP
uses another protocol or hangs.
"""

import http.client
import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.sandbox import running
from tests.sandbox.running import Running, soon
from tests.sandbox.serving.traffic import Traffic, traffic
from tests.sandbox.stack.deployment import deployment, destroyed_afterwards, ready

pytestmark = pytest.mark.thorough
NAMESPACE = "llm-d-pd"
MODEL = "amd/Llama-3.3-70B-Instruct-FP8-KV"
EPP = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/gaie-pd-epp"
RULE = f"/apis/networking.istio.io/v1/namespaces/{NAMESPACE}/destinationrules"


@pytest.fixture(scope="module", params=["FailOpen", "FailClose"])
def stack(request: pytest.FixtureRequest, cluster: Running) -> Iterator[tuple[str, Traffic]]:
    with destroyed_afterwards(deployment(cluster, "amd")) as made:
        made.up(routing__failureMode=request.param)
        with traffic(made) as requests:
            assert soon(lambda: _status(requests) == 200)
            yield request.param, requests


@contextmanager
def _no_epp(requests: Traffic) -> Iterator[None]:
    requests.api.patch(EPP, {"spec": {"replicas": 0}})
    assert soon(lambda: not _epps(requests))
    yield
    requests.api.patch(EPP, {"spec": {"replicas": 1}})


@contextmanager
def _plaintext(requests: Traffic) -> Iterator[None]:
    """No DestinationRule sets TLS for the EPP."""
    rule = requests.api.get(f"{RULE}/gaie-pd-epp")
    requests.api.delete(f"{RULE}/gaie-pd-epp")
    assert soon(lambda: _status(requests) == 500)
    yield
    kept = {key: rule["metadata"][key] for key in ("name", "namespace", "labels")}
    requests.api.create(RULE, {**{key: rule[key] for key in ("apiVersion", "kind", "spec")}, "metadata": kept})


@contextmanager
def _hanging(requests: Traffic) -> Iterator[None]:
    """The EPP's process is stopped, and its pod is not Ready any more."""
    commands = running.processes(requests.stack.cluster.home)
    [pid] = [pid for pid, command in commands.items() if command.startswith("/app/epp")]
    os.kill(pid, signal.SIGSTOP)
    try:
        assert _status(requests, patience=3) is None, "the request that meets the stopped EPP has no answer"
        assert soon(lambda: not any(ready(pod) for pod in _epps(requests)))
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


STATES = {"no EPP": (_no_epp, 200), "plaintext to its TLS port": (_plaintext, 500), "not Ready": (_hanging, 200)}


@pytest.mark.parametrize("state", STATES)
def test_the_failure_mode_decides_only_where_the_epp_has_no_endpoint(state: str, stack: tuple[str, Traffic]) -> None:
    mode, requests = stack
    enter, opened = STATES[state]
    expected = opened if mode == "FailOpen" else 500
    with enter(requests):
        assert soon(lambda: {_status(requests) for _ in range(10)} == {expected}), _status(requests)
    assert soon(_again(requests))


def _again(requests: Traffic) -> Callable[[], bool]:
    return lambda: any(ready(pod) for pod in _epps(requests)) and _status(requests) == 200


def _epps(requests: Traffic) -> list[object]:
    return [pod for pod in requests.stack.pods() if "inferencepool" in pod.metadata.labels]


def _status(requests: Traffic, patience: float = 30) -> int | None:
    """Return the status of one completion; None without an answer within `patience` seconds."""
    body = json.dumps({"model": MODEL, "prompt": "Is anybody there?", "max_tokens": 2})
    connection = http.client.HTTPConnection("127.0.0.1", requests.port, timeout=patience)
    try:
        connection.request("POST", "/v1/completions", body, {"Content-Type": "application/json"})
        return connection.getresponse().status
    except (TimeoutError, http.client.HTTPException, ConnectionError):
        return None
    finally:
        connection.close()
