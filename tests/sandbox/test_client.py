"""The chat client, the path of a request as text, and what `make status` says of pods that wait."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from sandbox.client import pods, route, status
from sandbox.client.chat import Refused, stream
from sandbox.client.pods import Pod
from sandbox.client.route import Target
from sandbox.client.status import decision
from sandbox.errors import SandboxError
from sandbox.network.istio import Access
from tests.verify.fake import FakeCluster
from verify.waiting import Trouble


@contextmanager
def answering(status: int, body: str, wanted: str | None = None) -> Iterator[Target]:
    """A server on 127.0.0.1 that gives the same answer to every request, then closes the connection.

    `wanted`: the Authorization without which it answers 401.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status if wanted in (None, self.headers["Authorization"]) else 401)
            self.send_header("X-Request-Id", "abc")
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            yield Target("llm-d-pd", "gateway", "model", server.server_port)
        finally:
            server.shutdown()


def chunk(text: str) -> str:
    return f'data: {{"choices": [{{"delta": {{"content": "{text}"}}}}]}}\n\n'


USAGE = 'data: {"choices": [], "usage": {"completion_tokens": 5}}\n\n'
DONE = "data: [DONE]\n\n"


def test_an_error_has_the_stacks_message() -> None:
    with answering(429, "no decode workers\n") as target, pytest.raises(Refused, match="HTTP 429 no decode workers"):
        stream(target, "hello", 8, "7", print)


def test_an_incomplete_answer_is_an_error() -> None:
    with answering(200, chunk("to")) as target, pytest.raises(SandboxError, match="ended in the middle"):
        stream(target, "hello", 8, "7", print)


def test_a_request_carries_the_api_key_and_the_target_hides_it() -> None:
    with answering(200, chunk("a") + USAGE + DONE, wanted="Bearer s3cret") as target:
        keyed = replace(target, authorization={"Authorization": "Bearer s3cret"})
        assert "s3cret" not in repr(keyed)
        stream(keyed, "hello", 8, "7", print)
        with pytest.raises(Refused, match="HTTP 401"):
            stream(target, "hello", 8, "7", print)


MOMENT = datetime(2026, 11, 22, 12, 0, 0, 250_000, tzinfo=UTC)


def pod(name: str, address: str = "", *, ports: dict[str, int] | None = None, **labels: str) -> Pod:
    """A Ready pod; `labels` are role="decode", picker="gaie-pd-epp" or gateway="infra"."""
    known = {
        "role": "llm-d.ai/role",
        "picker": "inferencepool",
        "gateway": "gateway.networking.k8s.io/gateway-name",
    }
    listening = [{"name": key, "containerPort": number} for key, number in (ports or {}).items()]
    content: dict[str, Any] = {
        "metadata": {
            "name": name,
            "namespace": "llm-d-pd",
            "labels": {known[key]: value for key, value in labels.items()},
        },
        "spec": {
            "nodeName": "amd-0",
            "containers": [{"name": "vllm", "ports": listening, "resources": {"limits": {"amd.com/gpu": "4"}}}],
        },
        "status": {
            "phase": "Running",
            "podIP": address,
            "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [{"name": "vllm", "restartCount": 2}],
        },
    }
    return Pod(content)


def on_host(one: Pod) -> Pod:
    """The same pod on its node's network."""
    content = json.loads(json.dumps(one.object))
    content["spec"]["hostNetwork"] = True
    return Pod(content)


def access(prefill: str | None, decode: str | None, upstream: str | None = None) -> Access:
    """A request that took 12 ms."""
    return Access(
        start=MOMENT,
        id="1",
        path="/v1/completions",
        status=200,
        decode=decode,
        prefill=prefill,
        upstream=upstream or decode,
        picked_us=1300,
        first_byte_us=5000,
        total_us=12000,
    )


GATEWAY = pod("infra-pd-inference-gateway-istio-1", "10.244.0.1", gateway="infra-pd-inference-gateway")
PICKER = pod("gaie-pd-epp-1", "10.244.0.2", picker="gaie-pd-epp")
PREFILL = pod("ms-pd-prefill-1", "10.244.0.3", ports={"vllm": 8000}, role="prefill")
SECOND = pod("ms-pd-prefill-2", "10.244.0.4", ports={"vllm": 8000}, role="prefill")
DECODE = pod("ms-pd-decode-1", "10.244.0.5", ports={"vllm": 8200, "": 8000}, role="decode")
ALL = [GATEWAY, PICKER, PREFILL, SECOND, DECODE]


def test_the_path_of_a_request_with_decode_only() -> None:
    lines = route.path_lines(GATEWAY, access(None, "10.244.0.5:8000"), ALL)

    assert [line.split()[1] for line in lines[1:]] == ["picker", "decode"]


def test_the_path_of_a_request_at_another_worker_than_chosen() -> None:
    lines = route.path_lines(GATEWAY, access(None, "10.244.0.5:8000", "10.244.0.77:8000"), ALL)

    assert lines[-1] == "→ decode   10.244.0.77:8000 (picked was 10.244.0.5:8000)"


def test_the_path_of_an_answer_from_a_prefill_worker() -> None:
    lines = route.path_lines(GATEWAY, access(None, "10.244.0.4:8000"), ALL)

    assert lines[-1] == "→ prefill  ms-pd-prefill-2 on amd-0"


def test_a_decision_in_one_line() -> None:
    assert decision(access("10.244.0.4:8000", "10.244.0.5:8000"), ALL) == (
        "12:00:00.250  200 /v1/completions  picked 1.3 ms, first byte 5.0 ms, all 12.0 ms  "
        "prefill ms-pd-prefill-2 → decode ms-pd-decode-1"
    )
    assert "no worker chosen" in decision(access(None, None, "10.244.0.5:8000"), ALL)


def test_pods_on_their_nodes_network_differ_by_port() -> None:
    prefill = on_host(pod("p", "10.244.254.1", ports={"vllm": 8000}, role="prefill"))
    decode = on_host(pod("d", "10.244.254.1", ports={"vllm": 8200, "": 8001}, role="decode"))

    assert pods.at([prefill, decode], "10.244.254.1:8000") is prefill
    assert pods.at([prefill, decode], "10.244.254.1:8001") is decode


def test_status_names_the_setting_and_what_the_sandbox_can_change() -> None:
    full = Trouble("d", "decode", "unscheduled", "decode-1", "2 Insufficient amd.com/gpu.", "serving.decode.replicas")
    assert status.shown(FakeCluster({}), "llm-d-pd", full) == (
        "llm-d-pd: decode waits: decode-1: 2 Insufficient amd.com/gpu.\n"
        "    → serving.decode.replicas; here: make up NODES=…, or other nodes: make up CLUSTER=…"
    )


def test_status_shows_the_end_of_the_log() -> None:
    pod, container = {"metadata": {"name": "decode-1"}}, {"name": "vllm", "state": {"waiting": {}}}
    ended = Trouble("d", "decode", "ends", "decode-1", "it ended", "the log above", pod=pod, status=container)
    log = FakeCluster({}, {"decode-1/vllm": "one\ntwo\nerror: three\nfour\n"})
    assert status.shown(log, "n", ended).splitlines()[1:] == [
        "      | two",
        "      | error: three",
        "      | four",
        "    → the log above",
    ]
