"""The simulator behaves like real vLLM: the table of tests/vllm/behaviours.py, its address, and its end."""

import http.client
import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from tests import simulator
from tests.vllm.behaviours import REFUSED, TAKEN, Behaviour

KEYS = ("--api-key=one", "--api-key=two", "--root-path=/llm", "--vllm-version=0.17.1", "--host=127.0.0.1")


def ask(port: int, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
    """Return status and JSON of one answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, json.dumps(body), {"Content-Type": "application/json", **headers})
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with simulator.running("--max-model-len=32000", "--mode=random") as port:
        yield port


@pytest.mark.parametrize("behaviour", REFUSED, ids=lambda each: each.title)
def test_the_simulator_refuses_the_same_requests_as_vllm(behaviour: Behaviour, port: int) -> None:
    behaviour.judge(*ask(port, "POST", behaviour.path, {"model": "m", **behaviour.body}))


@pytest.mark.parametrize("behaviour", TAKEN, ids=lambda each: each.title)
def test_the_simulator_accepts_the_same_requests_as_vllm(behaviour: Behaviour, port: int) -> None:
    assert ask(port, "POST", behaviour.path, {"model": "m", **behaviour.body})[0] == behaviour.status


def test_keys_root_path_and_version() -> None:
    with simulator.running(*KEYS) as port:
        assert ask(port, "GET", "/v1/models") == (401, {"error": "Unauthorized"})
        assert ask(port, "GET", "/v1/models", Authorization="Bearer two")[0] == 200
        assert ask(port, "GET", "/llm/v1/models", Authorization="Bearer two")[0] == 200
        assert ask(port, "GET", "/llm/v1/models", Authorization="Bearer three")[0] == 401
        assert ask(port, "GET", "/version") == (200, {"version": "0.17.1"})


def test_a_failed_handshake_ends_the_decode_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    side_channel, closed = simulator.free_port(), simulator.free_port()
    monkeypatch.setenv("VLLM_NIXL_SIDE_CHANNEL_HOST", "127.0.0.1")
    monkeypatch.setenv("VLLM_NIXL_SIDE_CHANNEL_PORT", str(side_channel))
    with simulator.running("--die-on-failed-handshake") as port:
        leg = {"model": "m", "prompt": "a", "max_tokens": 1, "kv_transfer_params": {"do_remote_decode": True}}
        params = ask(port, "POST", "/v1/completions", leg)[1]["kv_transfer_params"]
        assert (params["remote_host"], params["remote_port"]) == ("127.0.0.1", side_channel)
        pull = {"model": "m", "prompt": "a", "max_tokens": 1, "kv_transfer_params": params}
        assert ask(port, "POST", "/v1/completions", pull)[0] == 200
        failing = {**pull, "kv_transfer_params": {**params, "do_remote_prefill": True, "remote_port": closed}}
        assert ask(port, "POST", "/v1/completions", failing)[0] == 500
        assert _ended(port)


def _ended(port: int) -> bool:
    """Wait until the port refuses connections."""
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return True
