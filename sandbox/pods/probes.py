"""Probes and hooks of containers: HTTP, gRPC health, TCP, or a command inside, with a kubelet's timing.

It differs from a kubelet in one point, because a simulator starts in milliseconds and a model in minutes. Until a
container has started, its start-up probe (else its readiness probe) runs every 0.1 s without a delay, and gradually
less often. The budget for failures (initialDelaySeconds + periodSeconds * failureThreshold) stays the same in seconds.
Afterwards the readiness probe runs at least once a second.
"""

import asyncio
import contextlib
import functools
import os
import ssl
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import grpc

from sandbox.cluster.api import Object

Execute = Callable[[list[str]], Awaitable[tuple[int, str]]]
"""Runs a command inside the container; returns its exit code and its output."""

_STATES = ("UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN")
_WORDS = 500
"""Longest part of an answer in a message."""


class Failed(Exception):
    """The probe failed; the text is the reason."""


@dataclass(frozen=True)
class Check:
    """Runs the handler of a probe or hook against the container at `address`."""

    handler: Object
    address: str
    ports: dict[str, int]
    execute: Execute

    async def ask(self, seconds: float) -> None:
        """Return if the handler succeeds within the timeout. Raises `Failed`."""
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
        """Call grpc.health.v1.Health/Check. The messages have one field each: the service's name, and its state."""
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
    """Return the beginning of a file."""
    with contextlib.closing(os.fdopen(os.dup(file), "rb")) as text:
        text.seek(0)
        return text.read(10_000).decode(errors="replace")


@functools.cache
def _unverified() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


KINDS = ("exec", "grpc", "httpGet", "tcpSocket")
_FIRST_PERIOD, _LONGEST_FIRST_PERIOD = 0.1, 1.0
_READINESS_PERIOD = 1.0


@dataclass(frozen=True)
class Timing:
    """A probe's times in seconds and its thresholds; the defaults are the API server's."""

    delay: float
    period: float
    timeout: float
    failures: int
    successes: int

    @classmethod
    def of(cls, probe: Object) -> "Timing":
        """Return the timing of a probe."""
        return cls(
            delay=probe.get("initialDelaySeconds", 0),
            period=probe.get("periodSeconds", 10),
            timeout=probe.get("timeoutSeconds", 1),
            failures=probe.get("failureThreshold", 3),
            successes=probe.get("successThreshold", 1),
        )

    @property
    def budget(self) -> float:
        """Seconds that a container may take to start."""
        return self.delay + self.period * self.failures


@dataclass(frozen=True)
class Outcome:
    """Callbacks of probes; a change of the result calls them at once."""

    started: Callable[[], None]
    ready: Callable[[bool], None]
    unhealthy: Callable[[str, str], None]
    """Receives the kind of the probe and its message."""
    restart: Callable[[str], None]
    """Restarts the container; the argument is the reason."""


Ask = Callable[[Object], Check]


async def watch(container: Object, ask: Ask, outcome: Outcome) -> None:
    """Run the probes of a container until cancelled."""
    probe = container.get("startupProbe")
    if probe and not await _until_started(probe, ask(handler(probe)), outcome):
        return
    outcome.started()
    asking: list[Awaitable[None]] = []
    if probe := container.get("readinessProbe"):
        asking.append(_readiness(probe, ask(handler(probe)), outcome, fast="startupProbe" not in container))
    else:
        outcome.ready(True)
    if probe := container.get("livenessProbe"):
        asking.append(_liveness(probe, ask(handler(probe)), outcome))
    await asyncio.gather(*asking)


def handler(probe: Object) -> Object:
    """Return the kind of a probe's or hook's handler."""
    return {kind: probe[kind] for kind in KINDS if kind in probe}


async def _until_started(probe: Object, check: Check, outcome: Outcome) -> bool:
    timing, began, successes = Timing.of(probe), time.monotonic(), 0
    while True:
        problem = await _problem(check, timing.timeout)
        passed = time.monotonic() - began
        successes = 0 if problem else successes + 1
        if successes >= timing.successes:
            return True
        if problem and passed > timing.delay + timing.period:
            outcome.unhealthy("Startup", problem)
        if problem and passed > timing.budget:
            outcome.unhealthy("Startup", problem)
            outcome.restart("failed startup probe")
            return False
        await asyncio.sleep(_soon(passed))


async def _readiness(probe: Object, check: Check, outcome: Outcome, *, fast: bool) -> None:
    timing, began, answers, ready = Timing.of(probe), time.monotonic(), 0, False
    while True:
        problem = await _problem(check, timing.timeout)
        passed = time.monotonic() - began
        answers = answers + 1 if bool(problem) == ready else 0
        if answers >= (timing.failures if ready else timing.successes):
            ready, answers, fast = not ready, 0, False
            outcome.ready(ready)
        if problem and (not fast or passed > timing.delay + timing.period):
            outcome.unhealthy("Readiness", problem)
        await asyncio.sleep(_soon(passed) if fast else min(timing.period, _READINESS_PERIOD))


async def _liveness(probe: Object, check: Check, outcome: Outcome) -> None:
    timing, failures = Timing.of(probe), 0
    await asyncio.sleep(timing.delay)
    while True:
        problem = await _problem(check, timing.timeout)
        failures = failures + 1 if problem else 0
        if problem:
            outcome.unhealthy("Liveness", problem)
        if failures >= timing.failures:
            outcome.restart("failed liveness probe")
            return
        await asyncio.sleep(timing.period)


async def _problem(check: Check, seconds: float) -> str | None:
    try:
        await check.ask(seconds)
    except Failed as failure:
        return str(failure)
    return None


def _soon(passed: float) -> float:
    """Return the pause before the next probe, which grows with the seconds so far."""
    return min(_LONGEST_FIRST_PERIOD, max(_FIRST_PERIOD, passed / 50))
