"""The kubelets' HTTPS endpoint, as far as the sandbox has one: the logs of containers, for the API server.

So `kubectl logs` and `GET …/pods/<name>/log` work as anywhere. Logs carry no times: what asks for times is refused.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from sandbox.pods.container import Container
    from sandbox.pods.node import Find

PORT = 10250
"""Where kubelets listen, as the nodes' status says."""
_CHUNK = 64 * 1024
_LOOK_AGAIN = 0.1


class _Refusal(Exception):
    def __init__(self, status: HTTPStatus, text: str) -> None:
        super().__init__(text)
        self.status = status


class Kubelet:
    """Answers for the pods that `find` finds."""

    def __init__(self, find: "Find") -> None:
        self._find = find

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request and close."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, ValueError):
            try:
                method, target, _ = (await reader.readline()).decode().split(" ", 2)
                while await reader.readline() not in (b"\r\n", b""):
                    pass
                await self._answer(method, target, reader, writer)
            except _Refusal as refusal:
                _head(writer, refusal.status, f"Content-Length: {len(str(refusal).encode())}")
                writer.write(str(refusal).encode())
                await writer.drain()
        writer.close()

    async def _answer(
        self, method: str, target: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        url = urlsplit(target)
        match url.path.strip("/").split("/"):
            case ["containerLogs", namespace, pod, container] if method == "GET":
                query = {name: values[-1] for name, values in parse_qs(url.query).items()}
                log = _Reading(self._container(namespace, pod, container), query)
            case _:
                raise _Refusal(
                    HTTPStatus.NOT_IMPLEMENTED, f"the sandbox's kubelets serve logs only, not {method} {url.path}"
                )
        file = log.open()
        with file:
            _head(writer, HTTPStatus.OK, "Transfer-Encoding: chunked")
            async for data in log.read(file):
                writer.write(b"%x\r\n%b\r\n" % (len(data), data) if data else b"")
                await writer.drain()
                if reader.at_eof():  # nobody listens any more
                    return
            writer.write(b"0\r\n\r\n")
            await writer.drain()

    def _container(self, namespace: str, pod: str, container: str) -> "Container":
        found = self._find(namespace, pod)
        if found is None:
            raise _Refusal(HTTPStatus.NOT_FOUND, f'pod "{pod}" does not run here')
        for one in found.containers:
            if one.told.name == container:
                return one
        raise _Refusal(HTTPStatus.NOT_FOUND, f'container "{container}" not found in pod "{pod}"')


class _Reading:
    """One reading of a container's log, as the request asks."""

    def __init__(self, container: "Container", query: dict[str, str]) -> None:
        self._container = container
        self._previous = _true(query, "previous")
        self._follow = _true(query, "follow") and not self._previous
        self._tail = int(query["tailLines"]) if "tailLines" in query else None
        self._left = int(query["limitBytes"]) if "limitBytes" in query else None
        if _true(query, "timestamps") or query.keys() & {"sinceSeconds", "sinceTime"}:
            raise _Refusal(HTTPStatus.BAD_REQUEST, "the sandbox keeps no times of log lines: ask without them")

    def open(self) -> BinaryIO:
        log, told = self._container.log, self._container.told
        path: Path = log.previous if self._previous else log.path
        if path.exists():
            return path.open("rb")
        what = "previous terminated container" if self._previous else "container"
        state = json.dumps(told.state.get("waiting", {}).get("reason", "not started"))
        raise _Refusal(HTTPStatus.BAD_REQUEST, f'{what} "{told.name}" has no log: {state}')

    async def read(self, file: BinaryIO) -> AsyncIterator[bytes]:
        """Yield the log in pieces; an empty one where there is nothing new while it is followed."""
        if self._tail is not None:
            file.seek(_start_of_last(file, self._tail))
        while self._left is None or self._left > 0:
            running = self._container.told.running
            if data := file.read(_CHUNK if self._left is None else min(_CHUNK, self._left)):
                self._left = None if self._left is None else self._left - len(data)
                yield data
            elif not (self._follow and running):
                return
            else:
                yield b""
                await asyncio.sleep(_LOOK_AGAIN)


def _start_of_last(file: BinaryIO, lines: int) -> int:
    """Return where the last `lines` lines begin."""
    position = end = file.seek(0, 2)
    found = 0
    while position > 0:
        step = min(_CHUNK, position)
        position -= step
        file.seek(position)
        block = file.read(step)
        for offset in range(len(block) - 1, -1, -1):
            if block[offset] == 0x0A and position + offset != end - 1:
                found += 1
                if found == lines:
                    return position + offset + 1
    return 0 if lines else end


def _true(query: dict[str, str], name: str) -> bool:
    return query.get(name, "false").lower() in ("true", "1")


def _head(writer: asyncio.StreamWriter, status: HTTPStatus, length: str) -> None:
    lines = (f"HTTP/1.1 {status.value} {status.phrase}", "Content-Type: text/plain", length, "Connection: close")
    writer.write("\r\n".join([*lines, "", ""]).encode())
