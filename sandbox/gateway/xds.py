"""Envoy's configuration over REST: each question is held until there is news, so that nothing polls in vain.

A question carries the version that its Envoy runs, which makes it an acknowledgement too: one that comes with an older
version than was sent is a refusal. Order matters to requests under way: clusters go out before the routes that lead to
them, and stay until no route does.
"""

import asyncio
import hashlib
import json
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from sandbox.gateway.clusters import Json
from sandbox.gateway.envoy import Resources
from sandbox.gateway.http import Request, Response
from sandbox.gateway.store import Key

PATH = "/v3/discovery:"
HELD_SECONDS = 30.0
"""A question without news is answered "not modified" after so long; Envoy gives up after 60 s."""
_REPLY_SECONDS = 5.0
"""Whoever asks again with an older version so soon has refused what it was sent; later, it may have been restarted."""

_EMPTY = Resources({}, {}, {}, {})
_Asked = tuple[str, str]
"""Kind and resource name ("" for all of a kind)."""


@dataclass
class _Node:
    """One Envoy."""

    sent: dict[_Asked, tuple[str, float]] = field(default_factory=dict)
    """Version, and when."""
    runs: dict[_Asked, str] = field(default_factory=dict)
    refused: dict[_Asked, str] = field(default_factory=dict)
    offered: frozenset[str] = frozenset()
    """Names of the clusters that it was sent last."""
    waiting: int = 0
    seen: float = 0.0


@dataclass
class _Gateway:
    wanted: Resources = _EMPTY
    former: Resources = _EMPTY
    """Clusters with their endpoints that only the last routes need."""
    nodes: dict[str, _Node] = field(default_factory=dict)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def tell(self) -> None:
        """Wake every held question."""
        self.news.set()
        self.news = asyncio.Event()

    def has(self, kind: str, name: str) -> tuple[str, list[Json]]:
        """Return version and resources that answer a question."""
        resources: Mapping[str, Json] = {**getattr(self.former, kind), **getattr(self.wanted, kind)}
        found = [one for key, one in sorted(resources.items()) if name in ("", key)]
        return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()[:12], found

    def runs(self, node: _Node, kind: str, name: str = "") -> bool:
        """Whether an Envoy has the latest of a kind."""
        return node.runs.get((kind, name)) == self.has(kind, name)[0]


class Configurations:
    """What every gateway's Envoys are to run, and what they do run."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._gateways: dict[Key, _Gateway] = {}

    def publish(self, wanted: Mapping[Key, Resources]) -> None:
        """Set the configuration of all gateways."""
        for key in self._gateways.keys() - wanted.keys():
            self._gateways[key].wanted = _EMPTY  # its Envoys keep what they have until they are gone
        for key, resources in wanted.items():
            gateway = self._gateways.setdefault(key, _Gateway())
            if resources == gateway.wanted:
                continue
            clusters, endpoints = (
                {
                    name: one
                    for name, one in {**getattr(gateway.former, kind), **getattr(gateway.wanted, kind)}.items()
                    if name not in resources.clusters
                }
                for kind in ("clusters", "endpoints")
            )
            gateway.wanted, gateway.former = resources, Resources({}, {}, clusters, endpoints)
            self._forget_former(gateway)
            gateway.tell()

    def refused(self, key: Key, node: str) -> str | None:
        """Return the kind of resources that an Envoy doesn't take; None if it takes all."""
        gateway, known = self._of(key, node)
        for (kind, name), version in known.refused.items():
            if version == gateway.has(kind, name)[0]:
                return kind
        return None

    def current(self, key: Key, node: str) -> bool:
        """Whether an Envoy runs the listeners, routes and clusters that it should."""
        gateway, known = self._of(key, node)
        routes = all(gateway.runs(known, "routes", name) for name in gateway.wanted.routes)
        return routes and gateway.runs(known, "listeners") and gateway.runs(known, "clusters")

    async def answer(self, request: Request) -> Response:
        """Answer one of Envoy's questions when there is something to say."""
        question: dict[str, Any] = json.loads(request.body)
        namespace, _, name = question["node"]["cluster"].partition("/")
        gateway = self._gateways.setdefault((namespace, name), _Gateway())
        node = gateway.nodes.setdefault(question["node"]["id"], _Node())
        asked = (request.path.removeprefix(PATH), *(question.get("resource_names") or [""])[:1])
        node.waiting += 1
        try:
            return await self._answer(gateway, node, asked, question.get("version_info", ""))
        finally:
            node.waiting -= 1
            node.seen = time.monotonic()

    async def _answer(self, gateway: _Gateway, node: _Node, asked: _Asked, runs: str) -> Response:
        self._hear(gateway, node, asked, runs)
        with suppress(TimeoutError):
            async with asyncio.timeout(HELD_SECONDS):
                while True:
                    version, resources = gateway.has(*asked)
                    if version not in (runs, node.refused.get(asked)) and self._due(gateway, node, asked, resources):
                        node.sent[asked] = (version, time.monotonic())
                        if asked[0] != "endpoints":
                            node.runs.pop(asked, None)  # what it runs now, it will tell
                        if asked[0] == "clusters":
                            node.offered = frozenset(one["name"] for one in resources)
                        return Response(200, json.dumps({"version_info": version, "resources": resources}).encode())
                    await gateway.news.wait()
        return Response(304)

    def _hear(self, gateway: _Gateway, node: _Node, asked: _Asked, runs: str) -> None:
        """Learn from a question what its Envoy runs, and whether it refused what it was sent last."""
        sent, when = node.sent.pop(asked, ("", 0.0))
        node.refused.pop(asked, None)
        if sent not in ("", runs) and time.monotonic() - when < _REPLY_SECONDS:
            node.refused[asked] = sent
        if node.runs.get(asked) != runs:
            node.runs[asked] = runs
            if asked[0] == "clusters" and runs == sent:  # a cluster that comes again needs its endpoints again
                gone = [key for key in node.runs if key[0] == "endpoints" and key[1] not in node.offered]
                for key in gone:
                    del node.runs[key]
            self._forget_former(gateway)
            gateway.tell()  # what waited for this acknowledgement can go on
        self._changed()

    def _due(self, gateway: _Gateway, node: _Node, asked: _Asked, resources: list[Json]) -> bool:
        """Whether the node can take this now: routes wait for their clusters to be there with their endpoints."""
        if gateway.wanted is _EMPTY:
            return False
        kind = asked[0]
        if kind in ("listeners", "routes"):
            known = [name for what, name in node.runs if what == "endpoints" and node.runs[what, name]]
            return gateway.runs(node, "clusters") and gateway.wanted.clusters.keys() <= set(known)
        return kind == "clusters" or bool(resources)

    def _forget_former(self, gateway: _Gateway) -> None:
        """Drop the clusters of the last routes once every Envoy runs the new ones."""
        now = time.monotonic()
        gateway.nodes = {key: one for key, one in gateway.nodes.items() if one.waiting or now - one.seen < 1}
        done = all(
            gateway.runs(node, "routes", name) for node in gateway.nodes.values() for name in gateway.wanted.routes
        )
        if done and gateway.former.clusters:
            gateway.former = _EMPTY
            gateway.tell()

    def _of(self, key: Key, node: str) -> tuple[_Gateway, _Node]:
        gateway = self._gateways.get(key, _Gateway())
        return gateway, gateway.nodes.get(node, _Node())
