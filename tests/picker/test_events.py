"""Ports for KV cache events, which a configuration of the user may need."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from components.config.vocabulary import ReleaseName
from components.plan import resolve
from components.plan.platform_args import PolicyArgs
from components.releases import RELEASES
from components.releases.picker_events import CacheEvents, cache_events
from tests.picker.wrong import right
from tests.stack_file import settings

EVENTS = yaml.safe_load(Path(__file__).with_name("events.yaml").read_text())


@pytest.mark.parametrize(("release", "config", "listens", "asks"), EVENTS)
def test_the_ports_are_those_of_the_picker(release: str, config: Any, listens: int | None, asks: int | None) -> None:
    dialect = RELEASES[ReleaseName(release)].picker_dialect
    found = cache_events(config, dialect.events_endpoint, discovers=dialect.discovers_events)
    assert found == CacheEvents(listens, asks)


def test_locked_policies_let_events_through() -> None:
    document = right("0.6")
    tokenizer = {"tokenizersPoolConfig": {"modelName": "m", "uds": {"useTCP": True, "socketFile": "t:1"}}}
    events = {"zmqEndpoint": "tcp://*:6001", "podDiscoveryConfig": {"socketPort": 6002}}
    parameters = {"indexerConfig": tokenizer, "kvEventsConfig": events}
    document["plugins"].insert(0, {"type": "precise-prefix-cache-scorer", "parameters": parameters})
    plan = resolve(settings(routing__config=document, security={"level": "locked"}))
    assert plan.picker.events_port == 6001
    assert plan.isolation
    picker, decode = plan.isolation.policies["picker"], plan.isolation.policies["decode"]
    assert [_ports(picker, "ingress", 6001), _ports(picker, "egress", 6002)] == [True, True]
    assert [_ports(decode, "egress", 6001), _ports(decode, "ingress", 6002)] == [True, True]
    plain = resolve(settings(security={"level": "locked"}))
    assert plain.picker.events_port is None
    assert plain.isolation
    assert not _ports(plain.isolation.policies["decode"], "egress", 5557)


def _ports(policy: PolicyArgs, way: str, port: int) -> bool:
    """Whether a policy names a port one way."""
    return any(port in each.tcp for each in getattr(policy, way))
