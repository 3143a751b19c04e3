"""What Envoys are told and when, as one of them sees it."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from sandbox.gateway import xds
from sandbox.gateway.clusters import Json
from sandbox.gateway.envoy import Resources
from sandbox.gateway.http import Request, Response
from sandbox.gateway.xds import Configurations

DOOR = ("models", "door")
Test = Callable[[Configurations], Coroutine[Any, Any, None]]


def configuration(*clusters: str, route: str = "") -> Resources:
    """A listener, a route to the last cluster, and the clusters with their endpoints."""
    return Resources(
        listeners={"http.80": {"name": "http.80"}},
        routes={"http.80": {"name": "http.80", "to": route or clusters[-1]}},
        clusters={name: {"name": name} for name in clusters},
        endpoints={name: {"cluster_name": name} for name in clusters},
    )


class Envoy:
    """Asks as Envoy does: with what it runs, one question of a kind at a time."""

    def __init__(self, configurations: Configurations, pod: str = "door-1") -> None:
        self._configurations, self._node = configurations, f"models/{pod}"
        self.runs: dict[tuple[str, str], str] = {}
        self.has: dict[tuple[str, str], list[Json]] = {}

    async def ask(self, kind: str, name: str = "", *, accept: bool = True) -> bool:
        """Ask once; False if there was nothing new."""
        question: dict[str, Any] = {"node": {"id": self._node, "cluster": "/".join(DOOR)}}
        if name:
            question["resource_names"] = [name]
        if (kind, name) in self.runs:
            question["version_info"] = self.runs[kind, name]
        response = await self._configurations.answer(Request(f"{xds.PATH}{kind}", json.dumps(question).encode()))
        if response == Response(304):
            return False
        answer = json.loads(response.body)
        if accept:
            self.runs[kind, name] = answer["version_info"]
            self.has[kind, name] = answer["resources"]
        return True

    async def start(self, *clusters: str) -> None:
        """Take everything, in Envoy's order."""
        for kind, name in [
            ("clusters", ""),
            *(("endpoints", one) for one in clusters),
            ("listeners", ""),
            ("routes", "http.80"),
        ]:
            questions = [asyncio.create_task(self._settled(*asked)) for asked in self.runs]
            assert await self.ask(kind, name)
            await asyncio.gather(*questions)
        await asyncio.gather(*(self._settled(*asked) for asked in self.runs))

    async def _settled(self, kind: str, name: str) -> None:
        while await self.ask(kind, name):
            pass


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Envoy's minute is too long for a test that expects no answer."""
    monkeypatch.setattr(xds, "HELD_SECONDS", 0.05)


def run(test: Test) -> None:
    asyncio.run(test(Configurations(lambda: None)))


def test_an_envoy_gets_everything_and_is_current_once_it_says_so() -> None:
    async def test(configurations: Configurations) -> None:
        configurations.publish({DOOR: configuration("pool")})
        envoy = Envoy(configurations)
        assert not configurations.current(DOOR, "models/door-1")
        await envoy.start("pool")
        assert configurations.current(DOOR, "models/door-1")
        assert envoy.has["clusters", ""] == [{"name": "pool"}]
        assert not configurations.current(DOOR, "models/door-2")

    run(test)


def test_a_question_is_held_until_there_is_news() -> None:
    async def test(configurations: Configurations) -> None:
        configurations.publish({DOOR: configuration("pool")})
        envoy = Envoy(configurations)
        await envoy.start("pool")
        held = asyncio.create_task(envoy.ask("clusters"))
        await asyncio.sleep(0.01)
        assert not held.done()
        configurations.publish({DOOR: configuration("pool", "other", route="pool")})
        assert await asyncio.wait_for(held, 0.02)
        assert envoy.has["clusters", ""] == [{"name": "other"}, {"name": "pool"}]

    run(test)


def test_routes_come_after_their_clusters_and_the_old_clusters_go_after_the_routes() -> None:
    async def test(configurations: Configurations) -> None:
        configurations.publish({DOOR: configuration("old")})
        envoy = Envoy(configurations)
        await envoy.start("old")
        configurations.publish({DOOR: configuration("new")})
        assert not await envoy.ask("routes", "http.80")
        assert await envoy.ask("clusters")
        assert [one["name"] for one in envoy.has["clusters", ""]] == ["new", "old"]
        assert not await envoy.ask("routes", "http.80")
        assert await envoy.ask("endpoints", "new")
        told = asyncio.create_task(envoy.ask("endpoints", "new"))
        assert not await envoy.ask("clusters")
        assert await envoy.ask("routes", "http.80")
        await told
        assert not await envoy.ask("routes", "http.80")
        assert await envoy.ask("clusters")
        assert [one["name"] for one in envoy.has["clusters", ""]] == ["new"]

    run(test)


def test_a_cluster_that_comes_again_gets_its_endpoints_before_a_route_leads_there() -> None:
    async def test(configurations: Configurations) -> None:
        configurations.publish({DOOR: configuration("a")})
        envoy = Envoy(configurations)
        await envoy.start("a")
        for other, name in (("a", "b"), ("b", "a")):
            configurations.publish({DOOR: configuration(name)})
            assert await envoy.ask("clusters")
            held = asyncio.create_task(envoy.ask("clusters"))
            assert not await envoy.ask("routes", "http.80")
            envoy.runs.pop(("endpoints", name), None)  # a new subscription
            assert await envoy.ask("endpoints", name)
            told = asyncio.create_task(envoy.ask("endpoints", name))
            assert await envoy.ask("routes", "http.80")
            assert envoy.has["routes", "http.80"][0]["to"] == name
            await asyncio.gather(held, told)
            assert not await envoy.ask("routes", "http.80")
            assert await envoy.ask("clusters")
            assert not await envoy.ask("clusters")
            assert [one["name"] for one in envoy.has["clusters", ""]] == [name] != [other]

    run(test)


def test_what_an_envoy_was_just_sent_may_have_taken_a_cluster_away() -> None:
    async def test(configurations: Configurations) -> None:
        configurations.publish({DOOR: configuration("a", "b", route="a")})
        envoy = Envoy(configurations)
        await envoy.start("a", "b")
        configurations.publish({DOOR: configuration("b")})
        assert await envoy.ask("routes", "http.80")
        assert not await envoy.ask("routes", "http.80")
        assert await envoy.ask("clusters")  # without a; before this is acknowledged, a is wanted again
        configurations.publish({DOOR: configuration("a", "b", route="a")})
        assert not await envoy.ask("routes", "http.80")

    run(test)


def test_what_an_envoy_was_just_sent_may_lead_to_a_cluster_that_is_no_longer_wanted() -> None:
    async def test(configurations: Configurations) -> None:
        configurations.publish({DOOR: configuration("a", "b", route="a")})
        envoy = Envoy(configurations)
        await envoy.start("a", "b")
        configurations.publish({DOOR: configuration("a", "b", route="b")})
        assert await envoy.ask("routes", "http.80")  # to b; before this is acknowledged, only a is wanted again
        configurations.publish({DOOR: configuration("a")})
        assert not await envoy.ask("clusters")

    run(test)


def test_a_refused_configuration_is_known_and_not_sent_over_and_over() -> None:
    async def test(configurations: Configurations) -> None:
        configurations.publish({DOOR: configuration("pool")})
        envoy = Envoy(configurations)
        await envoy.start("pool")
        configurations.publish({DOOR: configuration("pool", "bad", route="pool")})
        assert await envoy.ask("clusters", accept=False)
        assert configurations.refused(DOOR, "models/door-1") is None
        assert not await envoy.ask("clusters")
        assert configurations.refused(DOOR, "models/door-1") == "clusters"
        assert not configurations.current(DOOR, "models/door-1")
        configurations.publish({DOOR: configuration("pool")})
        assert configurations.refused(DOOR, "models/door-1") is None

    run(test)


def test_a_restarted_envoy_is_told_everything_again() -> None:
    async def test(configurations: Configurations) -> None:
        configurations.publish({DOOR: configuration("pool")})
        await Envoy(configurations).start("pool")
        await Envoy(configurations).start("pool")
        assert configurations.current(DOOR, "models/door-1")

    run(test)


def test_an_envoy_whose_gateway_is_not_known_yet_waits() -> None:
    async def test(configurations: Configurations) -> None:
        envoy = Envoy(configurations)
        assert not await envoy.ask("clusters")
        configurations.publish({DOOR: configuration("pool")})
        assert await envoy.ask("clusters")
        configurations.publish({})
        assert not await envoy.ask("clusters")  # the Gateway is gone: its last requests are served with what it has

    run(test)
