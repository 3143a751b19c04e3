"""Relays bytes from the ports of this machine, and from the addresses of Services, to pods and the API server."""

import asyncio
import socket
import struct
from collections.abc import Callable
from contextlib import suppress

Target = tuple[str, int]
_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with 0 seconds: closing resets the connection, like a port on which no process listens."""


async def serve(listening: socket.socket, target: Callable[[], Target | None]) -> asyncio.Server:
    """Relay each connection to the present result of `target`; reset it if that is None."""
    loop = asyncio.get_running_loop()
    listening.setblocking(False)
    return await loop.create_server(lambda: _Outer(target), sock=listening)


class _Side(asyncio.Protocol):
    """One side of a relay: passes incoming bytes to the other side, at the receiver's speed."""

    other: "_Side | None" = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if self.other:
            self.other.transport.write(data)

    def eof_received(self) -> bool:
        if self.other:
            with suppress(OSError):
                self.other.transport.write_eof()
        return True  # the other direction stays open

    def pause_writing(self) -> None:
        if self.other:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other:
            self.other.transport.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:
        if self.other:
            self.other.other = None
            self.other.transport.close()


class _Outer(_Side):
    """The host's side of a relay."""

    def __init__(self, target: Callable[[], Target | None]) -> None:
        self._target = target

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        # Not at once: Python 3.11.2 starts to read after this method, even if it paused.
        asyncio.get_running_loop().call_soon(self.transport.pause_reading)
        self._connecting = asyncio.create_task(self._connect())

    def connection_lost(self, error: Exception | None) -> None:
        self._connecting.cancel()
        super().connection_lost(error)

    async def _connect(self) -> None:
        target = self._target()
        try:
            if target is None:
                raise ConnectionRefusedError
            inner = _Side()
            await asyncio.get_running_loop().create_connection(lambda: inner, *target)
        except OSError:
            raw: socket.socket = self.transport.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self.transport.abort()
            return
        inner.other, self.other = self, inner
        self.transport.resume_reading()
