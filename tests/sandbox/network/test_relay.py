"""The relay: bytes at the receiver's speed, and a reset without a target."""

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from sandbox.network import relay

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def through(
    test: Callable[[Callable[[], Coroutine[Any, Any, Streams]]], Coroutine[Any, Any, None]], answer: Any
) -> None:
    """Run a test with a function that connects through a relay to a server with the behaviour `answer`."""

    async def run() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        listening = socket.create_server(("127.0.0.1", 0))
        port = listening.getsockname()[1]
        target = server.sockets[0].getsockname()
        await relay.serve(listening, lambda: target)
        await test(lambda: asyncio.open_connection("127.0.0.1", port))

    asyncio.run(asyncio.wait_for(run(), 10))


def test_a_slow_reader_slows_the_writer_and_loses_nothing() -> None:
    written = 0
    size = 16 * 2**20

    async def pour(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        for _count in range(size // 2**16):
            writer.write(bytes(2**16))
            await writer.drain()
            written += 2**16
        writer.close()

    async def test(connect: Callable[[], Coroutine[Any, Any, Streams]]) -> None:
        reader, _ = await connect()
        before = -1
        while written != before:  # until all buffers are full
            before = written
            await asyncio.sleep(0.1)
        assert 0 < written < size
        assert len(await reader.read()) == size

    through(test, pour)


@pytest.mark.parametrize("target", [None, ("127.0.0.1", 1)])
def test_without_a_gateway_the_connection_is_reset(target: relay.Target | None) -> None:
    async def run() -> None:
        listening = socket.create_server(("127.0.0.1", 0))
        port = listening.getsockname()[1]
        await relay.serve(listening, lambda: target)
        reader, _ = await asyncio.open_connection("127.0.0.1", port)
        with pytest.raises(ConnectionResetError):
            await reader.read()

    asyncio.run(asyncio.wait_for(run(), 10))
