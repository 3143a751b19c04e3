"""Where a picker's configuration wants events of the workers' caches, which vLLM publishes by ZeroMQ.

Source: llm-d-kv-cache-manager v0.4.0 (pkg/kvcache/kvevents/pool.go) and llm-d-kv-cache v0.7.1 (pkg/kvevents/pool.go).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from components.releases.picker_dialect import PRECISE, PRECISE_PRODUCER

SOCKET_PORT = 5557
"""vLLM's port for events, where `podDiscoveryConfig.socketPort` names no other."""
_BOUND = re.compile(r"tcp://.*:(\d{1,5})")


@dataclass(frozen=True)
class CacheEvents:
    """Ports of the events."""

    listens: int | None
    """Port of the picker that workers send to; None: none."""
    asks: int | None
    """Port of the workers that the picker fetches from; None: none."""


def cache_events(config: Mapping[str, Any], endpoint: str, *, discovers: bool) -> CacheEvents:
    """The ports of a configuration of any shape; `endpoint`, `discovers`: the precise prefix cache's defaults."""
    listens: list[int] = []
    asks: list[int] = []
    for precise, given in _configured(config):
        bound = _BOUND.fullmatch(str(given.get("zmqEndpoint") or (endpoint if precise else "")))
        listens += [int(bound[1])] if bound else []
        if given.get("discoverPods", discovers and precise) is True:
            port = (given.get("podDiscoveryConfig") or {}).get("socketPort")
            asks.append(port if isinstance(port, int) else SOCKET_PORT)
    return CacheEvents(next(iter(listens), None), next(iter(asks), None))


def _configured(config: Mapping[str, Any]) -> Iterator[tuple[bool, Mapping[str, Any]]]:
    """Parameters about events, and whether they are of the precise prefix cache."""
    plugins = config.get("plugins")
    for plugin in plugins if isinstance(plugins, list) else []:
        if not isinstance(plugin, Mapping):
            continue
        given = (plugin.get("parameters") or {}) if isinstance(plugin.get("parameters"), Mapping) else {}
        precise = plugin.get("type") in (PRECISE, PRECISE_PRODUCER)
        events = given.get("kvEventsConfig")
        if precise or isinstance(events, Mapping):
            yield precise, events if isinstance(events, Mapping) else {}
