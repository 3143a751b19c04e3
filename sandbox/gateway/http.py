"""As much of an HTTP/1.1 server as Envoys and the pod runner need: requests with a length, connections kept."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus


@dataclass(frozen=True)
class Request:
    """What was asked."""

    path: str
    body: bytes


@dataclass(frozen=True)
class Response:
    """What is answered."""

    status: int
    body: bytes = b""


Handler = Callable[[Request], Awaitable[Response]]


async def serve(address: str, port: int, handler: Handler) -> asyncio.Server:
    """Answer requests with what `handler` returns for them; it is cancelled when the asker goes away."""
    loop = asyncio.get_running_loop()
    return await loop.create_server(lambda: _Connection(handler), address, port)


class _Connection(asyncio.Protocol):
    """One asker's connection; a request at a time."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._received = b""
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        if self._task:
            self._task.cancel()

    def data_received(self, data: bytes) -> None:
        self._received += data
        self._next()

    def _next(self) -> None:
        head, end, rest = self._received.partition(b"\r\n\r\n")
        if self._task or not end:
            return
        try:
            line, length = _head(head.decode("latin-1"))
            path = line.split(" ")[1]
        except (ValueError, IndexError):
            self._transport.close()
            return
        if len(rest) >= length:
            self._received = rest[length:]
            self._task = asyncio.create_task(self._answer(Request(path, rest[:length])))

    async def _answer(self, request: Request) -> None:
        response = Response(400)
        with suppress(ValueError, KeyError):  # what only a stranger would send
            response = await self._handler(request)
        status = f"{response.status} {HTTPStatus(response.status).phrase}"
        head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(response.body)}"
        self._transport.write(f"{head}\r\n\r\n".encode() + response.body)
        self._task = None
        self._next()


def _head(text: str) -> tuple[str, int]:
    """Return the first line and the length of the body."""
    first, *lines = text.split("\r\n")
    headers = dict(line.lower().split(":", 1) for line in lines if ":" in line)
    return first, int(headers.get("content-length", "0"))
