"""The script of the Job `trial`, against a gateway and workers of its own."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from components.gateways.asking import TRIAL_SCRIPT
from tests.http_server import Handler, listening
from tests.simulator import free_port

RIGHT: dict[str, Any] = {
    "status": 200,
    "word": "b",
    "text": "an answer",
    "prefill": 'vllm:request_success_total{finished_reason="length"}',
    "decode": "vllm:nixl_bytes_transferred_sum",
}
"""What the generation does: answers, and the counters that grow with each request."""


@contextmanager
def generation(at: int = 0, **wrong: Any) -> Iterator[tuple[int, list[Any]]]:
    """A server that is gateway, prefill worker and decode worker at once; what it was asked."""
    does = {**RIGHT, **wrong}
    asked: list[Any] = []
    reads: list[int] = []

    class Server(Handler):
        def do_GET(self) -> None:
            if "silent" in does:  # one server for both tiers: prefill is asked first, each time
                reads.append(1)
                text = "" if len(reads) % 2 else f"vllm:request_success_total {len(asked)}"
                self._answer(200, f"{text}\nvllm:nixl_bytes_transferred_sum {len(asked)}\n")
                return
            grown = [name for role in ("prefill", "decode") if (name := does[role])]
            still = ("vllm:request_success_total{}", "vllm:nixl_bytes_transferred_sum")
            lines = [f"{name} {len(asked) * 2.5}" for name in grown] or [f"{name} 3.0" for name in still]
            self._answer(200, "\n".join(["# HELP x", *lines]))

        def do_POST(self) -> None:
            body = json.loads(self.body())
            asked.append((self.path, self.headers["x-llm-d-generation"], self.headers["Authorization"], body))
            self._answer(does["status"], json.dumps({"choices": [{"text": does["text"]}]}))

        def _answer(self, status: int, text: str) -> None:
            self.answer(status, text.encode(), {"x-llm-d-generation": does["word"]})

    with listening(Server, at) as port:
        yield port, asked


def tried(port: int, patience: int = 60, **more: str) -> tuple[int, str]:
    env = {
        "GENERATION": "b",
        "NAMED": "true",
        "URL": f"http://127.0.0.1:{port}/a",
        "HEADERS": '{"x-llm-d-generation": "b"}',
        "MODEL": "m",
        "PROMPT": "word",
        "REQUESTS": "3",
        "MAX_ERRORS": "0",
        "PREFILL": f"127.0.0.1:{port}",
        "DECODE": f"127.0.0.1:{port}",
        **more,
    }
    script = TRIAL_SCRIPT.replace("PATIENCE = 60", f"PATIENCE = {patience}")
    done = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, check=False)
    assert not done.stderr
    return done.returncode, done.stdout.strip()


def test_a_generation_that_answers_and_disaggregates_passes() -> None:
    with generation() as (port, asked):
        assert tried(port, API_KEY="k") == (0, "3 requests, 0 errors: the generation answers and disaggregates")
    path, word, key, body = asked[0]
    assert (path, word, key, body["model"]) == ("/a/v1/completions", "b", "Bearer k", "m")
    assert len({one[3]["prompt"] for one in asked}) == 3


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"status": 404}, "3 of 3 requests failed, 0 may: status 404"),
        ({"text": ""}, "the answer is empty"),
        ({"word": "a"}, "the answer came from another generation (x-llm-d-generation: a)"),
        ({"prefill": "", "decode": ""}, "no prefill worker was asked"),
        ({"prefill": "", "decode": ""}, "no decode worker fetched KV blocks"),
        ({"silent": True}, "no prefill worker was asked"),
    ],
)
def test_a_wrong_generation_fails_with_the_reason(wrong: dict[str, Any], says: str) -> None:
    with generation(**wrong) as (port, _):
        code, text = tried(port)
    assert code == 1
    assert says in text


def test_counters_that_do_not_exist_are_not_measurable() -> None:
    with generation(decode="") as (port, _):
        code, text = tried(port)
    assert (code, "KV transfer: not measurable" in text) == (0, True)


def test_some_errors_may_be_allowed() -> None:
    with generation(status=503) as (port, _):
        assert "503" in tried(port, MAX_ERRORS="2")[1]
    with generation(status=503, prefill="vllm:request_success_total") as (port, _):
        assert tried(port, MAX_ERRORS="3")[0] == 0


def test_workers_that_are_found_late_are_waited_for() -> None:
    port = free_port()
    with ThreadPoolExecutor(1) as beside:
        answer = beside.submit(tried, port)
        time.sleep(1.5)
        with generation(port):
            assert answer.result()[0] == 0


def test_a_gateway_that_does_not_answer_fails() -> None:
    code, text = tried(1, patience=1)
    assert (code, "cannot be read" in text) == (1, True)
