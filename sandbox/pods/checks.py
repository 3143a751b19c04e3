"""One question to a container, as probes and hooks ask it: HTTP, gRPC health, TCP, or a command inside it."""

import asyncio
import contextlib
import functools
import os
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import grpc

from sandbox.cluster.api import Object

Execute = Callable[[list[str]], Awaitable[tuple[int, str]]]
"""Runs a command inside the container; returns its exit code and what it printed."""

_STATES = ("UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN")
_WORDS = 500
"""How much of an answer is told on."""


class Failed(Exception):
    """The answer was no, or none; the text says which."""


@dataclass(frozen=True)
class Check:
    """Asks what a probe's or hook's handler says, of the container at `address`."""

    handler: Object
    address: str
    ports: dict[str, int]
    execute: Execute

    async def ask(self, seconds: float | None) -> None:
        """Return if the answer is yes, within so long if that is limited. Raises `Failed`."""
        try:
            async with asyncio.timeout(seconds):
                await self._ask()
        except TimeoutError:
            raise Failed(f"no answer within {seconds:g} s") from None
        except OSError as error:
            raise Failed(f"{self._where()}: {error.strerror or error}") from None

    def _where(self) -> str:
        (kind,) = self.handler.keys() & {"httpGet", "tcpSocket", "grpc", "exec"} or {"handler"}
        return kind if kind == "exec" else f"{kind} {self._host()}:{self._port()}"

    async def _ask(self) -> None:
        if "exec" in self.handler:
            code, words = await self.execute(self.handler["exec"].get("command", []))
            if code:
                raise Failed(f"command ended with exit code {code}: {words.strip()[:_WORDS]}")
        elif "grpc" in self.handler:
            await self._grpc(self.handler["grpc"].get("service", ""))
        elif "tcpSocket" in self.handler:
            (_, writer) = await asyncio.open_connection(self._host(), self._port())
            writer.close()
        else:
            await self._http(self.handler["httpGet"])

    async def _http(self, request: Object) -> None:
        tls = _unverified() if request.get("scheme", "HTTP") == "HTTPS" else None
        reader, writer = await asyncio.open_connection(self._host(), self._port(), ssl=tls)
        headers = {"Host": f"{self._host()}:{self._port()}", "User-Agent": "kube-probe/sandbox", "Accept": "*/*"}
        headers |= {header["name"]: header["value"] for header in request.get("httpHeaders", [])}
        lines = [f"GET {request.get('path') or '/'} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        try:
            writer.write("\r\n".join([*lines, "Connection: close", "", ""]).encode())
            words = (await reader.readline()).decode(errors="replace").split()
        finally:
            writer.close()
        code = int(words[1]) if len(words) > 1 and words[1].isdigit() else 0
        if not 200 <= code < 400:
            raise Failed(f"HTTP probe failed with statuscode: {code}" if code else "the answer isn't HTTP")

    async def _grpc(self, service: str) -> None:
        """Ask grpc.health.v1.Health/Check. The messages have one field each: the service's name, and its state."""
        place = f"{self._host()}:{self._port()}"
        request = b"\x0a" + bytes([len(service)]) + service.encode() if service else b""
        async with grpc.aio.insecure_channel(place, options=[("grpc.enable_http_proxy", 0)]) as channel:
            try:
                answer = await channel.unary_unary("/grpc.health.v1.Health/Check")(request)
            except grpc.aio.AioRpcError as error:
                raise Failed(f"gRPC health of {place}, service {service!r}: {error.details()}") from None
        state = _STATES[answer[1] if answer else 0]
        if state != "SERVING":
            raise Failed(f"gRPC health of {place}: {state}")

    def _host(self) -> str:
        return str(next(iter(self.handler.values())).get("host") or self.address)

    def _port(self) -> int:
        wanted = next(iter(self.handler.values())).get("port", 0)
        if isinstance(wanted, str) and not wanted.isdigit():
            if wanted not in self.ports:
                raise Failed(f"the container has no port named {wanted!r}")
            return self.ports[wanted]
        return int(wanted)


def beginning(file: int) -> str:
    """Return the beginning of what was written to a file."""
    with contextlib.closing(os.fdopen(os.dup(file), "rb")) as text:
        text.seek(0)
        return text.read(10_000).decode(errors="replace")


@functools.cache
def _unverified() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
