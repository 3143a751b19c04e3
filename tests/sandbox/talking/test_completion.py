"""The chat client with good and bad answers."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from sandbox.errors import SandboxError
from sandbox.talking.chat import Refused, stream
from sandbox.talking.target import Target


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


def test_a_streamed_answer_arrives_piece_by_piece() -> None:
    heard: list[str] = []
    with answering(200, chunk("to") + chunk("kens") + USAGE + DONE) as target:
        answer = stream(target, "hello", 8, "7", heard.append)

    assert heard == ["to", "kens"]
    assert answer.tokens == 5
    assert 0 < answer.first_token <= answer.total


def test_an_error_has_the_stacks_message() -> None:
    with answering(429, "no decode workers\n") as target, pytest.raises(Refused, match="HTTP 429 no decode workers"):
        stream(target, "hello", 8, "7", print)


def test_an_incomplete_answer_is_an_error() -> None:
    with answering(200, chunk("to")) as target, pytest.raises(SandboxError, match="ended in the middle"):
        stream(target, "hello", 8, "7", print)


def test_a_closed_port_is_an_error() -> None:
    with answering(200, DONE) as target:
        pass
    with pytest.raises(SandboxError, match=r"http://127.0.0.1:\d+/v1 broke off: .*Connection refused"):
        stream(target, "hello", 8, "7", print)


def test_a_request_carries_the_api_key_and_the_target_hides_it() -> None:
    with answering(200, chunk("a") + USAGE + DONE, wanted="Bearer s3cret") as target:
        keyed = replace(target, authorization={"Authorization": "Bearer s3cret"})
        assert "s3cret" not in repr(keyed)
        stream(keyed, "hello", 8, "7", print)
        with pytest.raises(Refused, match="HTTP 401"):
            stream(target, "hello", 8, "7", print)
