"""Probes against real servers."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
import pytest

from sandbox.cluster.api import Object
from sandbox.pods.nodes import Addresses
from sandbox.pods.probes import Check, Failed


async def run_nothing(_: list[str]) -> tuple[int, str]:
    raise AssertionError


def ask(handler: Object, seconds: float = 5) -> str | None:
    """Return the failure of a probe, or None."""
    try:
        asyncio.run(Check(handler, "127.0.0.1", {}, run_nothing).ask(seconds))
    except Failed as failure:
        return str(failure)
    return None


class Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        code = int(self.path.strip("/") or 200)
        self.send_response(code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def http() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


@contextmanager
def health(**services: int) -> Iterator[int]:
    """A real gRPC server of the health protocol; the service "" is `whole`."""

    def check(request: bytes, context: grpc.ServicerContext) -> bytes:
        name = request[2:].decode() or "whole"
        if name not in services:
            context.abort(grpc.StatusCode.NOT_FOUND, "unknown service")
        return bytes([8, services[name]]) if services[name] else b""

    method = grpc.unary_unary_rpc_method_handler(check)
    server = grpc.server(ThreadPoolExecutor(1))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("grpc.health.v1.Health", {"Check": method}),))
    port: int = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield port
    server.stop(None).wait()


@pytest.mark.parametrize(("path", "wrong"), [("/", None), ("/302", None), ("/404", "404"), ("/503", "503")])
def test_http_succeeds_from_200_to_399(http: int, path: str, wrong: str | None) -> None:
    said = ask({"httpGet": {"path": path, "port": http}})
    assert said == (f"HTTP probe failed with statuscode: {wrong}" if wrong else None)


def test_tcp_needs_a_listener(http: int) -> None:
    assert ask({"tcpSocket": {"port": http}}) is None
    assert "tcpSocket 127.0.0.1:1: " in str(ask({"tcpSocket": {"port": 1}}))


def test_grpc_needs_the_state_serving() -> None:
    with health(whole=1, picker=1, starting=2, odd=0) as port:
        assert ask({"grpc": {"port": port}}) is None
        assert ask({"grpc": {"port": port, "service": "picker"}}) is None
        assert str(ask({"grpc": {"port": port, "service": "starting"}})).endswith("NOT_SERVING")
        assert str(ask({"grpc": {"port": port, "service": "odd"}})).endswith("UNKNOWN")
        assert "'other': unknown service" in str(ask({"grpc": {"port": port, "service": "other"}}))


def test_a_late_answer_is_a_failure() -> None:
    with _silent() as port:
        assert ask({"httpGet": {"port": port}}, seconds=0.1) == "no answer within 0.1 s"
        assert ask({"grpc": {"port": port}}, seconds=0.1) == "no answer within 0.1 s"


@contextmanager
def _silent() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_freed_address_is_reused_last() -> None:
    addresses = Addresses()
    addresses.take("10.244.0.2")
    given: list[Any] = [addresses.give() for _ in range(3)]
    assert given == ["10.244.0.3", "10.244.0.4", "10.244.0.5"]
    addresses.free("10.244.0.3")
    assert addresses.give() == "10.244.0.6"
