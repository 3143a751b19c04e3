"""The rendered preStop hook, run against servers with vLLM's metrics."""

import http.client
import json
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Thread

import pytest

from components.config.vocabulary import Role
from components.plan import resolve
from components.pods import drain
from tests.http_server import Handler, listening
from tests.simulator import free_port, running
from tests.stack_file import settings

QUIET = 2.0
LATER = 40
"""Seconds of slack that a busy machine gets: far less than a hold of 100."""

NONE = {"running-requests": 0, "waiting-requests": 0, "kv-cache-usage": 0}
"""What the simulator shall report; without `--fake-metrics` it reports what it does."""


@pytest.fixture(autouse=True)
def long_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drain, "HOLD", 100)


def _hook(role: Role, port: int, *, grace: int = 120, prefill: int | None = None) -> list[str]:
    """The rendered command for a worker at `port`; the prefill workers' port is unused."""
    ports = {"ports__decodeVllm" if role is Role.DECODE else "ports__serving": port}
    if role is Role.DECODE:
        ports["ports__serving"] = prefill or free_port()
    plan = resolve(settings(**ports, **{f"{role}__rollout": {"terminationGrace": grace}}))
    hook = drain.lifecycle(plan.decode.worker if role is Role.DECODE else plan.prefill.worker)
    return list(hook["preStop"]["exec"]["command"])


def _seconds(command: list[str]) -> float:
    """How long the hook takes; it ends well."""
    begin = time.monotonic()
    done = subprocess.run(command, check=False, timeout=200, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    return time.monotonic() - begin


def _together(commands: list[list[str]]) -> list[float]:
    """How long each hook takes, of hooks that run at the same time."""
    with ThreadPoolExecutor(len(commands)) as hooks:
        return list(hooks.map(_seconds, commands))


def test_an_idle_worker_ends_once_the_picker_has_had_time_to_stop_choosing_it() -> None:
    with running() as port:
        for seconds in _together([_hook(role, port) for role in Role]):
            assert QUIET <= seconds < QUIET + LATER


@pytest.mark.thorough
def test_a_running_stream_is_finished_first() -> None:
    with running("--time-to-first-token=1s", "--inter-token-latency=200ms") as port:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        body = {"model": "m", "prompt": "hello", "stream": True, "max_tokens": 20, "ignore_eos": True}
        connection.request("POST", "/v1/completions", json.dumps(body), {"Content-Type": "application/json"})
        hook = subprocess.Popen(_hook(Role.DECODE, port))
        begin = time.monotonic()
        assert b"[DONE]" in connection.getresponse().read()
        streamed = time.monotonic() - begin
        assert streamed > 3
        assert hook.poll() is None, "the worker would have been stopped in the middle of the stream"
        assert hook.wait(timeout=QUIET + LATER) == 0


def test_requests_that_never_end_are_waited_for_until_the_grace_is_nearly_spent() -> None:
    with ExitStack() as servers:
        hooks = []
        for role, gauge in ((Role.PREFILL, "waiting-requests"), (Role.DECODE, "running-requests")):
            port = servers.enter_context(running("--fake-metrics", json.dumps({**NONE, gauge: 1})))
            hooks.append(_hook(role, port, grace=drain.STOP + 3))
        for seconds in _together(hooks):
            assert 3 <= seconds < 3 + LATER


@pytest.mark.thorough
def test_kv_blocks_that_are_not_fetched_are_kept_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drain, "HOLD", 4)
    with running("--fake-metrics", json.dumps({**NONE, "kv-cache-usage": 0.01})) as port:
        assert 4 <= _seconds(_hook(Role.PREFILL, port)) < 4 + LATER


MODELS = b'{"object": "list", "data": [{"id": "m"}]}'
METRICS = "vllm:num_requests_running{{}} 0\nvllm:num_requests_waiting{{}} 0\nvllm:kv_cache_usage_perc{{}} {}\n"


class StaleGauge(Handler):
    """vLLM after a peer has fetched its blocks: the gauge keeps its value until a request makes the engine step."""

    models: tuple[int, bytes] = (200, MODELS)
    usage = 0.01
    asked: list[object]
    keys: set[str | None]

    def do_GET(self) -> None:
        here = type(self)
        here.keys |= {self.headers["Authorization"]} if self.path == "/v1/models" else set()
        self.answer(*(here.models if self.path == "/v1/models" else (200, METRICS.format(here.usage).encode())))

    def do_POST(self) -> None:
        type(self).keys.add(self.headers["Authorization"])
        type(self).asked.append(json.loads(self.body()))
        type(self).usage = 0
        self.answer(200, b"{}")


@contextmanager
def _stale(models: tuple[int, bytes]) -> Iterator[tuple[int, type[StaleGauge]]]:
    handler = type("Handler", (StaleGauge,), {"models": models, "asked": [], "keys": set()})
    with listening(handler) as port:
        yield port, handler


def test_a_prefill_worker_without_blocks_to_fetch_does_not_wait_for_a_stale_gauge() -> None:
    with _stale((200, MODELS)) as (port, vllm):
        assert QUIET <= _seconds(_hook(Role.PREFILL, port)) < QUIET + LATER
        assert vllm.asked == [{"model": "m", "prompt": "a", "max_tokens": 1}]


def test_a_server_that_refuses_the_request_for_fresh_gauges_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drain, "HOLD", 3)
    refusals = [(401, b'{"error": "Unauthorized"}'), (200, b"[]"), (500, b"no JSON")]
    with ExitStack() as servers:
        found = [servers.enter_context(_stale(models)) for models in refusals]
        assert min(_together([_hook(Role.PREFILL, port) for port, _ in found])) >= 3
        assert [vllm.asked for _, vllm in found] == [[]] * 3


@pytest.mark.thorough
def test_a_prefill_under_way_for_a_decode_worker_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The request is not vLLM's yet; that the sidecar is connected to a prefill worker is all there is to see."""
    with running() as port, socket.create_server(("127.0.0.1", 0)) as prefill:
        address = prefill.getsockname()
        with socket.create_connection(address):
            monkeypatch.setattr(drain, "HOLD", 4)
            assert 4 <= _seconds(_hook(Role.DECODE, port, prefill=address[1])) < 4 + LATER
            monkeypatch.undo()
        assert _seconds(_hook(Role.DECODE, port, prefill=address[1])) < QUIET + LATER


def test_a_worker_that_does_not_serve_ends_at_once() -> None:
    assert max(_together([_hook(role, free_port()) for role in Role])) < LATER


def test_a_grace_too_short_for_anything_is_no_error() -> None:
    with running() as port:
        assert _seconds(_hook(Role.PREFILL, port, grace=1)) < LATER


def test_the_hook_needs_nothing_but_the_standard_library() -> None:
    lines = (Path(drain.__file__).parent / "hook.py").read_text().splitlines()
    imported = [line for line in lines if line.startswith(("import ", "from "))]
    modules = {line.split()[1].partition(".")[0] for line in imported}
    assert modules <= {"contextlib", "http", "json", "math", "os", "pathlib", "signal", "sys", "time"}


IDLE = METRICS.format(0).encode()
RUNNING = b"vllm:num_requests_running{} 1\nvllm:num_requests_waiting{} 0\nvllm:kv_cache_usage_perc{} 0\n"


@contextmanager
def _raw(*pieces: bytes, pause: float = 0) -> Iterator[int]:
    """A server that sends these bytes to each client, then closes the connection; it reads what it is sent."""

    def serve(client: socket.socket) -> None:
        with client, suppress(OSError):
            client.recv(65536)
            for piece in pieces:
                client.sendall(piece)
                time.sleep(pause)

    def accept() -> None:
        with suppress(OSError):
            while True:
                Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]


def _http(body: bytes, status: int = 200, length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    return b"HTTP/1.1 %d OK\r\nContent-Length: %d\r\n\r\n" % (status, size) + body


UNSEEN = {
    "error": _http(IDLE, 500),
    "unauthorized": _http(b'{"error": "Unauthorized"}', 401),
    "HTML": _http(b"<html><body>not found</body></html>"),
    "empty": _http(b""),
    "no gauges": _http(b"python_info 1\nvllm:kv_cache_usage_perc{} 0\n"),
    "one gauge": _http(b"vllm:num_requests_running{} 0\nvllm:kv_cache_usage_perc{} 0\n"),
    "NaN": _http(IDLE.replace(b"running{} 0", b"running{} NaN")),
    "no number": _http(IDLE.replace(b"running{} 0", b"running{} zero")),
    "no value": _http(b"vllm:num_requests_running\n" + IDLE),
    "no text": _http(IDLE + b"\xff\xfe"),
    "cut": _http(IDLE, length=len(IDLE) + 100),
    "cut in the head": b"HTTP/1.1 200 OK\r\nContent-Le",
    "no HTTP": b"\x15\x03\x01\x00\x02\x02\x50",
    "closed without an answer": b"",
}
"""Answers to /metrics that do not say whether requests run."""


def test_an_answer_that_says_nothing_of_requests_counts_as_a_busy_worker() -> None:
    with ExitStack() as servers:
        ports = [servers.enter_context(_raw(answer)) for answer in UNSEEN.values()]
        ended = _together([_hook(Role.PREFILL, port, grace=drain.STOP + 4) for port in ports])
    assert not [name for name, seconds in zip(UNSEEN, ended, strict=True) if seconds < 4]
    assert max(ended) < 4 + 3 * LATER  # they start together


def test_an_answer_that_comes_byte_by_byte_does_not_hold_the_pod_past_the_bound() -> None:
    with _raw(*(bytes([each]) for each in _http(IDLE * 10)), pause=0.5) as port:
        assert 3 <= _seconds(_hook(Role.PREFILL, port, grace=drain.STOP + 3)) < 3 + LATER


def test_a_slow_answer_is_waited_for_and_a_silent_server_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    with _raw(b"", _http(RUNNING), pause=1) as port:
        assert _seconds(_hook(Role.PREFILL, port, grace=drain.STOP + 4)) >= 4
    monkeypatch.setattr(drain, "HOOK", drain.HOOK.replace("PATIENCE = 30", "PATIENCE = 1"))
    with _raw(b"", b"", pause=200) as port:
        assert _seconds(_hook(Role.PREFILL, port)) < 1 + LATER


def test_an_unknown_share_of_the_kv_cache_is_waited_for_as_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drain, "HOLD", 4)
    with _raw(_http(IDLE.replace(b"vllm:kv_cache", b"vllm:other"))) as port:
        assert 4 <= _seconds(_hook(Role.PREFILL, port)) < 4 + LATER


def test_the_request_for_fresh_gauges_carries_the_api_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLLM_API_KEY", "s3cret")
    with _stale((200, MODELS)) as (port, vllm):
        assert _seconds(_hook(Role.PREFILL, port)) < QUIET + LATER
        assert vllm.keys == {"Bearer s3cret"}
