"""Ports of the host's 127.0.0.1 that lead into the sandbox.

A socket stays in the network namespace it was made in: the listening one is made on the host before the keeper leaves
it and is inherited; the connections that the keeper opens are inside.
"""

import asyncio
import contextlib
import socket
from dataclasses import dataclass


@dataclass(frozen=True)
class Forward:
    """Connections to the inherited listening socket `fd` go to `port` of the sandbox's own 127.0.0.1."""

    fd: int
    port: int


async def serve(forwards: list[Forward]) -> list[asyncio.Server]:
    """Start relaying; stops with the process."""
    return [
        await asyncio.start_server(_relay_to(forward.port), sock=socket.socket(fileno=forward.fd))
        for forward in forwards
    ]


def _relay_to(port: int):  # type: ignore[no-untyped-def]
    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            writer.close()
            return
        await asyncio.gather(_copy(reader, inner_writer), _copy(inner_reader, writer))

    return relay


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Copy until either side ends; then close the other side, so that both ends of a relay go together."""
    with contextlib.suppress(OSError):
        while data := await source.read(65536):
            target.write(data)
            await target.drain()
    target.close()
