"""Relays bytes from the ports of this machine, and from the addresses of Services, to pods and the API server."""

import asyncio
import socket
import struct
from collections.abc import Callable
from contextlib import suppress

Target = tuple[str, int]
_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with 0 seconds: closing resets the connection, like a port on which no process listens."""
_PIECE = 1 << 16


async def serve(listening: socket.socket, target: Callable[[], Target | None]) -> asyncio.Server:
    """Relay each connection to the present result of `target`; reset it if that is None."""

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if not (place := target()):
                raise ConnectionRefusedError
            inner_reader, inner_writer = await asyncio.open_connection(*place)
        except OSError:
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            writer.transport.abort()
            return
        try:
            with suppress(OSError):  # one side is gone
                await asyncio.gather(_pass_on(reader, inner_writer), _pass_on(inner_reader, writer))
        finally:
            writer.close()
            inner_writer.close()

    return await asyncio.start_server(relay, sock=listening)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass bytes on at the receiver's speed; the other direction stays open after the end of this one."""
    while data := await reader.read(_PIECE):
        writer.write(data)
        await writer.drain()
    writer.write_eof()
