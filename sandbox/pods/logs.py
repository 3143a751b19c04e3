"""Logs of containers: a file for the present run and one for the previous run, and the kubelet's endpoint for them.

Containers write the files themselves, so that long logs cost the pod runner nothing. The HTTPS endpoint serves them, so
that `kubectl logs` and `GET …/pods/<name>/log` work. Logs have no times, so requests for times are refused.
"""

import asyncio
import contextlib
import json
import os
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO, Protocol
from urllib.parse import parse_qs, urlsplit

from sandbox.pods.status import Container

MOST_BYTES = 10 * 1024 * 1024
"""A larger file is cut to its newest half. A kubelet starts a new file at the same size."""
_MESSAGE_LINES, _MESSAGE_BYTES = 80, 2048
"""A kubelet's limits for a termination message from the log (FallbackToLogsOnError)."""


def folder(root: Path, pod: str, namespace: str) -> Path:
    """Return the folder of a pod's logs."""
    return root / f"{namespace}_{pod}"


@dataclass(frozen=True)
class Log:
    """The log of one container."""

    path: Path

    @property
    def previous(self) -> Path:
        """File of the previous run."""
        return self.path.with_name(self.path.name + ".1")

    def begin(self) -> int:
        """Rename the last run's file and return a new one, open for writing."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self.path.exists():
            self.path.replace(self.previous)
        opened = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC)
        os.fchmod(opened, 0o666)  # programs of any user may open /dev/stdout by its path, as Envoy does
        return opened

    def bound(self) -> None:
        """Drop the older half of a file that is too large. Lines written at the same moment may be lost."""
        if not self.path.exists() or self.path.stat().st_size <= MOST_BYTES:
            return
        with self.path.open("rb+") as file:
            file.seek(-MOST_BYTES // 2, os.SEEK_END)
            newest = file.read().partition(b"\n")[2]
            file.truncate(0)
        with self.path.open("ab") as file:
            file.write(newest)

    def message(self) -> str:
        """Return the end of the log, short enough for a termination message."""
        if not self.path.exists():
            return ""
        with self.path.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - 64 * 1024))
            lines = deque(file, _MESSAGE_LINES)
        return b"".join(lines)[-_MESSAGE_BYTES:].decode(errors="replace")


_CHUNK = 64 * 1024
_LOOK_AGAIN = 0.1


class Logged(Protocol):
    """A container with its log and its status."""

    log: Log
    status: Container


Find = Callable[[str, str], Sequence[Logged] | None]
"""Returns the containers of the running pod with this namespace and name."""


class _Refusal(Exception):
    def __init__(self, status: HTTPStatus, text: str) -> None:
        super().__init__(text)
        self.status = status


class Kubelet:
    """Serves the logs of pods that `find` returns."""

    def __init__(self, find: Find) -> None:
        self._find = find

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request and close the connection."""
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
                if reader.at_eof():  # the client has closed the connection
                    return
            writer.write(b"0\r\n\r\n")
            await writer.drain()

    def _container(self, namespace: str, pod: str, container: str) -> Logged:
        found = self._find(namespace, pod)
        if found is None:
            raise _Refusal(HTTPStatus.NOT_FOUND, f'pod "{pod}" does not run here')
        for one in found:
            if one.status.name == container:
                return one
        raise _Refusal(HTTPStatus.NOT_FOUND, f'container "{container}" not found in pod "{pod}"')


class _Reading:
    """One request for a container's log."""

    def __init__(self, container: Logged, query: dict[str, str]) -> None:
        self._container = container
        self._previous = _true(query, "previous")
        self._follow = _true(query, "follow") and not self._previous
        self._tail = int(query["tailLines"]) if "tailLines" in query else None
        self._left = int(query["limitBytes"]) if "limitBytes" in query else None
        if _true(query, "timestamps") or query.keys() & {"sinceSeconds", "sinceTime"}:
            raise _Refusal(HTTPStatus.BAD_REQUEST, "the sandbox keeps no times of log lines: ask without them")

    def open(self) -> BinaryIO:
        log, status = self._container.log, self._container.status
        path: Path = log.previous if self._previous else log.path
        if path.exists():
            return path.open("rb")
        what = "previous terminated container" if self._previous else "container"
        state = json.dumps(status.state.get("waiting", {}).get("reason", "not started"))
        raise _Refusal(HTTPStatus.BAD_REQUEST, f'{what} "{status.name}" has no log: {state}')

    async def read(self, file: BinaryIO) -> AsyncIterator[bytes]:
        """Yield the log in pieces; while it is followed, an empty piece if there is nothing new."""
        if self._tail is not None:
            file.seek(_start_of_last(file, self._tail))
        while self._left is None or self._left > 0:
            running = self._container.status.running
            if data := file.read(_CHUNK if self._left is None else min(_CHUNK, self._left)):
                self._left = None if self._left is None else self._left - len(data)
                yield data
            elif not (self._follow and running):
                return
            else:
                yield b""
                await asyncio.sleep(_LOOK_AGAIN)


def _start_of_last(file: BinaryIO, lines: int) -> int:
    """Return the position of the last `lines` lines."""
    everything = file.read().splitlines(keepends=True)
    return sum(map(len, everything[: max(0, len(everything) - lines)]))


def _true(query: dict[str, str], name: str) -> bool:
    return query.get(name, "false").lower() in ("true", "1")


def _head(writer: asyncio.StreamWriter, status: HTTPStatus, length: str) -> None:
    lines = (f"HTTP/1.1 {status.value} {status.phrase}", "Content-Type: text/plain", length, "Connection: close")
    writer.write("\r\n".join([*lines, "", ""]).encode())
