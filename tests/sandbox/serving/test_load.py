"""Events of the stack with 32 clients, half of them with 30-second streams: the rows of docs/using.md."""

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from math import inf

import pytest

from sandbox.cluster.keeper import SIMULATOR
from tests.sandbox.running import Running, separate
from tests.sandbox.serving.events import BEGIN, END, EVENTS, PAGE, Event, table
from tests.sandbox.serving.traffic import Load, traffic
from tests.sandbox.stack.deployment import deployment, destroyed_afterwards

CLIENTS = 32
TOKENS = 600
"""Tokens of a stream; at 50 ms per token it takes 30 s."""


@dataclass(frozen=True)
class Storm:
    """The load, and begin and end of each event."""

    load: Load
    events: dict[str, tuple[float, float]]

    def lost(self, event: Event) -> list[str]:
        """Failures between the begin of the event and the begin of the next one."""
        began = self.events[event.title][0]
        later = [begin for begin, _ in self.events.values() if begin > began]
        return [
            one.trouble for one in self.load.requests if one.trouble and began <= one.ended < min(later, default=inf)
        ]


@pytest.fixture(scope="module")
def slow_cluster() -> Iterator[Running]:
    """A cluster with 50 ms per token, so that streams are in progress during an event."""
    with separate("load", variables={SIMULATOR: "--inter-token-latency=50ms --max-num-seqs=64"}) as started:
        yield started


@pytest.fixture(scope="module")
def storm(slow_cluster: Running) -> Iterator[Storm]:
    with destroyed_afterwards(deployment(slow_cluster, "amd")) as stack:
        stack.up(decode__replicas=2, decode__tensorParallel=2)
        with traffic(stack) as gateway:
            load, events = Load(gateway.port, gateway.model, CLIENTS, TOKENS), {}
            with load.running():
                time.sleep(3)
                for event in EVENTS:
                    begun = time.monotonic()
                    event.happens(gateway)
                    time.sleep(3)  # requests in progress feel the effects
                    events[event.title] = (begun, time.monotonic())
            yield Storm(load, events)


@pytest.mark.thorough
@pytest.mark.parametrize("event", EVENTS, ids=[event.title for event in EVENTS])
def test_effects_on_clients_match_the_page(storm: Storm, event: Event) -> None:
    streams = [one for one in storm.load.during(*storm.events[event.title]) if one.streamed]
    assert len(streams) > CLIENTS / 4
    print(Counter(storm.lost(event)))
    if event.harmless:
        assert storm.lost(event) == []


@pytest.mark.thorough
def test_requests_succeed_after_the_last_event(storm: Storm) -> None:
    _, over = storm.events[EVENTS[-1].title]
    assert [one.trouble for one in storm.load.requests if one.begun > over - 1 and one.trouble] == []


def test_the_page_has_every_event() -> None:
    assert PAGE.read_text().partition(BEGIN)[2].partition(END)[0] == table()
