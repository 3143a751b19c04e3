"""When a container is asked how it is, and what follows from the answers.

One difference to a kubelet: a simulator starts in milliseconds where a model loads for minutes, so until a container
has started, its start-up probe (readiness probe if it has none) is asked every 0.1 s, at once, and gradually less
often; the budget for failures (initialDelaySeconds + periodSeconds * failureThreshold) stays in wall time. Afterwards
readiness is asked at least once a second.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from sandbox.cluster.api import Object
from sandbox.pods.checks import Check, Failed

KINDS = ("exec", "grpc", "httpGet", "tcpSocket")
_FIRST_PERIOD, _LONGEST_FIRST_PERIOD = 0.1, 1.0
_READINESS_PERIOD = 1.0


@dataclass(frozen=True)
class Timing:
    """A probe's numbers, in seconds and counts; the defaults are the API server's."""

    delay: float
    period: float
    timeout: float
    failures: int
    successes: int

    @classmethod
    def of(cls, probe: Object) -> "Timing":
        """Return the numbers of a probe."""
        return cls(
            delay=probe.get("initialDelaySeconds", 0),
            period=probe.get("periodSeconds", 10),
            timeout=probe.get("timeoutSeconds", 1),
            failures=probe.get("failureThreshold", 3),
            successes=probe.get("successThreshold", 1),
        )

    @property
    def budget(self) -> float:
        """How long a container may take to start."""
        return self.delay + self.period * self.failures


@dataclass(frozen=True)
class Outcome:
    """What probes report to: each is called at once when its answer changes."""

    started: Callable[[], None]
    ready: Callable[[bool], None]
    unhealthy: Callable[[str, str], None]
    """Kind of probe and what it said, for people."""
    restart: Callable[[str], None]
    """The container must be restarted; the text says why."""


Ask = Callable[[Object], Check]


async def watch(container: Object, ask: Ask, outcome: Outcome) -> None:
    """Ask a running container's probes until cancelled."""
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
    """Return the one kind of question that a probe or hook asks."""
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
    """Return how long to wait after so many seconds: what took long may take a little longer."""
    return min(_LONGEST_FIRST_PERIOD, max(_FIRST_PERIOD, passed / 50))
