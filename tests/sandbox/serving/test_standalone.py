"""The standalone Envoy in the sandbox: legs, streams, long bodies, spoofed headers, its end and the picker's."""

import json
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from threading import Event, Thread
from typing import Any

import pytest

from tests.sandbox.running import Running, soon
from tests.sandbox.serving.traffic import Answer, Traffic, traffic, words
from tests.sandbox.stack.deployment import Deployment, deployment, destroyed_afterwards, ready

pytestmark = pytest.mark.thorough

PICKER = "/apis/apps/v1/namespaces/llm-d-pd/deployments/gaie-pd-epp"
ENVOY = "infra-pd-inference-gateway"
ENOUGH = 300
"""Seconds for pods to come and go on a busy machine."""
ONE_RELEASE = pytest.mark.parametrize("serving", ["0.6"], indirect=True)
"""For tests of Envoy alone, which are the same in every release."""


@pytest.fixture(scope="module")
def stack(cluster: Running) -> Iterator[Deployment]:
    with destroyed_afterwards(deployment(cluster, "amd")) as made:
        yield made


@pytest.fixture(scope="module", params=["0.6", "0.4"])
def serving(request: pytest.FixtureRequest, stack: Deployment) -> Iterator[Traffic]:
    """The stack in this release, without a Gateway, and with FailOpen in every release."""
    stack.pulumi("config", "set", "--path", "--type=string", "serving.release", request.param)
    stack.up(gateway__provider="standalone", routing__failureMode="FailOpen")
    with traffic(stack) as requests:
        assert soon(requests.disaggregated, ENOUGH)
        yield requests


def _body(model: str, prompt: str, tokens: int = 4, **more: Any) -> dict[str, Any]:
    return {"model": model, "prompt": prompt, "max_tokens": tokens, "ignore_eos": True, **more}


def _with(serving: Traffic, headers: dict[str, str], body: dict[str, Any], begun: Event | None = None) -> Answer:
    """Send one request; set `begun` when the answer begins."""
    connection = HTTPConnection("127.0.0.1", serving.port, timeout=120)
    connection.request("POST", "/v1/completions", json.dumps(body), {"Content-Type": "application/json", **headers})
    answer = connection.getresponse()
    if begun:
        begun.set()
    return Answer(answer.status, dict(answer.getheaders()), answer.read())


def _envoys(serving: Traffic) -> list[str]:
    pods = [pod for pod in serving.stack.pods() if pod.metadata.labels.get("llm-d.ai/gateway") == ENVOY]
    return [pod.metadata.name for pod in pods if ready(pod) and not pod.metadata.deletion_timestamp]


def _sees_a_picker(serving: Traffic) -> bool:
    """Whether Envoy's statistics have a picker; until Envoy notices its end, only some requests fail."""
    [envoy] = _envoys(serving)
    said = serving.api.text(f"/api/v1/namespaces/llm-d-pd/pods/{envoy}:15021/proxy/stats/prometheus")
    return 'envoy_cluster_membership_healthy{envoy_cluster_name="picker"} 1' in said


def _pickers(serving: Traffic, count: int) -> None:
    serving.api.patch(f"{PICKER}/scale", {"spec": {"replicas": count}})

    def there() -> bool:
        pods = [pod for pod in serving.stack.pods() if "inferencepool" in pod.metadata.labels]
        return [ready(pod) for pod in pods] == [True] * count

    assert soon(there, ENOUGH)


@ONE_RELEASE
def test_no_object_of_the_gateway_api_is_needed(serving: Traffic) -> None:
    kinds = {name.partition("/")[0] for name in serving.stack.objects()}
    assert kinds >= {"InferencePool", "Deployment"}
    assert not kinds & {"Gateway", "HTTPRoute", "DestinationRule"}


def test_each_request_has_one_prefill_and_one_decode_leg(serving: Traffic) -> None:
    model = serving.model

    def send() -> None:
        for number in range(12):
            serving.complete(words(30, f"standalone{number}"), model)

    assert serving.counted(send, decode=12).totals == (12, 12)


@ONE_RELEASE
def test_verify_succeeds(serving: Traffic) -> None:
    done = serving.stack.verify()
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"1 Envoy Ready behind Service {ENVOY}:80" in " ".join(done.stdout.split())
    assert "route" not in {line.split()[1] for line in done.stdout.splitlines() if line.startswith("ok ")}


@ONE_RELEASE
def test_a_long_prompt_passes_completely(serving: Traffic) -> None:
    prompt = words(4000, "long")
    answer = serving.complete(prompt, serving.model)
    assert answer.json["usage"]["prompt_tokens"] >= 4000


@ONE_RELEASE
def test_an_answer_is_streamed(serving: Traffic) -> None:
    body = _body(serving.model, "tell me", 24, stream=True)
    answer = _with(serving, {}, body)
    events = [line for line in answer.body.decode().splitlines() if line.startswith("data: ")]
    assert answer.status == 200
    assert events[-1] == "data: [DONE]"
    assert len(events) > 20


@ONE_RELEASE
def test_a_client_cannot_choose_the_target_of_its_request(serving: Traffic) -> None:
    """It names the API server; neither gateway nor sidecar connects to it."""
    there = "10.244.255.254:6443"
    headers = {"x-gateway-destination-endpoint": there, "x-prefiller-host-port": there, "x-request-id": "spoof"}
    legs = serving.counted(lambda: _with(serving, headers, _body(serving.model, words(30, "spoof"))))
    assert legs.totals == (1, 1)


def test_without_a_picker_any_worker_answers_and_headers_are_still_ignored(serving: Traffic) -> None:
    _pickers(serving, 0)
    try:
        model, there = serving.model, "10.244.255.254:6443"
        headers = {"x-gateway-destination-endpoint": there, "x-prefiller-host-port": there}

        def ask(prompt: str) -> int:
            return _with(serving, headers, _body(model, words(30, prompt))).status

        assert soon(lambda: not _sees_a_picker(serving), ENOUGH)
        before = serving.legs()
        assert [ask(f"open{number}") for number in range(15)] == [200] * 15
        assert soon(lambda: sum((serving.legs() - before).totals) >= 15, ENOUGH)
        legs = serving.legs() - before
        assert sum(legs.totals) == 15, "each was computed by one worker"
        assert len(legs.prefill) + len(legs.decode) > 2, f"spread over the pool: {legs}"
    finally:
        _pickers(serving, 1)


def test_a_returned_picker_is_asked_again(serving: Traffic) -> None:
    def disaggregated() -> bool:
        body = _body(serving.model, words(30, "back"))
        return serving.counted(lambda: serving.ask("POST", "/v1/completions", body), within=2).totals == (1, 1)

    assert soon(disaggregated, ENOUGH)


@ONE_RELEASE
def test_a_replaced_envoy_finishes_its_streams(serving: Traffic) -> None:
    """A stream lasts much longer than the deletion of its Envoy; another Envoy gets the next request."""
    [old] = _envoys(serving)
    heard: list[bytes] = []
    begun = Event()

    def listen() -> None:
        body = _body(serving.model, "a long story", 4000, stream=True)
        with suppress(OSError, HTTPException):
            heard.append(_with(serving, {}, body, begun).body)

    before = serving.legs()
    stream = Thread(target=listen)
    stream.start()
    assert begun.wait(ENOUGH)
    serving.api.delete(f"/api/v1/namespaces/llm-d-pd/pods/{old}")
    assert soon(lambda: _envoys(serving) not in ([], [old]), ENOUGH)
    serving.complete("and you?", serving.model)
    stream.join(ENOUGH)
    assert heard
    assert heard[0].decode().rstrip().endswith("data: [DONE]")
    assert soon(lambda: (serving.legs() - before).totals[1] == 2, ENOUGH)


def test_with_fail_close_no_request_succeeds_without_a_picker(serving: Traffic) -> None:
    serving.stack.up(routing__failureMode="FailClose")
    assert "Service/llm-d-pd/gaie-pd-workers" not in serving.stack.objects()
    assert serving.complete("hello", serving.model).status == 200
    _pickers(serving, 0)
    try:
        assert soon(lambda: serving.ask("POST", "/v1/completions", _body(serving.model, "hello")).status == 500, ENOUGH)
    finally:
        _pickers(serving, 1)
