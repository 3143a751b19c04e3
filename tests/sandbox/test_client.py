"""The chat client, the path of a request as text, and what `make status` says of pods that wait."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from sandbox.client import pods, route, status
from sandbox.client.chat import Refused, stream
from sandbox.client.pods import Pod
from sandbox.client.route import Target
from sandbox.errors import SandboxError
from sandbox.network.istio import Access
from tests.http_server import Handler, listening
from tests.verify.fake import FakeCluster
from verify.waiting import Trouble


@contextmanager
def answering(status: int, body: str, wanted: str | None = None) -> Iterator[Target]:
    """A server on this machine that gives the same answer to every request.

    `wanted`: the Authorization without which it answers 401.
    """

    class Server(Handler):
        def do_POST(self) -> None:
            self.body()
            allowed = wanted in (None, self.headers["Authorization"])
            self.answer(status if allowed else 401, body.encode(), {"X-Request-Id": "abc"})

    with listening(Server) as port:
        yield Target("llm-d-pd", "gateway", "model", port)


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


def pod(role: str, address: str, *ports: int, on_host: bool = False) -> Pod:
    """A pod that has its role as name."""
    containers = [{"name": "vllm", "ports": [{"containerPort": number} for number in ports]}]
    spec = {"nodeName": "amd-0", "containers": containers, "hostNetwork": on_host}
    metadata = {"name": role, "namespace": "llm-d-pd", "labels": {"llm-d.ai/role": role}}
    return Pod({"metadata": metadata, "spec": spec, "status": {"podIP": address}})


@pytest.mark.parametrize(
    ("upstream", "last"),
    [
        ("10.244.0.5:8000", "→ decode   decode on amd-0"),
        ("10.244.0.77:8000", "→ decode   10.244.0.77:8000 (picked was 10.244.0.5:8000)"),
        ("10.244.0.4:8000", "→ prefill  prefill on amd-0 (picked was 10.244.0.5:8000)"),
    ],
)
def test_the_path_of_a_request_ends_at_the_worker_that_answered(upstream: str, last: str) -> None:
    seen = Access(datetime.now(UTC), "1", "/v1/completions", 200, "10.244.0.5:8000", None, upstream, 1300, 5000, 12000)
    workers = [pod("prefill", "10.244.0.4", 8000), pod("decode", "10.244.0.5", 8200, 8000)]
    assert route.path_lines(pod("gateway", "10.244.0.1"), seen, workers)[-1] == last


def test_pods_on_their_nodes_network_differ_by_port() -> None:
    both = [pod("prefill", "10.244.254.1", 8000, on_host=True), pod("decode", "10.244.254.1", 8200, 8001, on_host=True)]
    assert pods.at(both, "10.244.254.1:8000") is both[0]
    assert pods.at(both, "10.244.254.1:8001") is both[1]


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
