"""The gateways that people reach through ports of the host: those of Gateways, and Envoys that serve without one."""

from collections.abc import Mapping
from dataclasses import dataclass

from sandbox.gateway import slots
from sandbox.gateway.model import Model
from sandbox.gateway.store import Key, World

STANDALONE = "llm-d.ai/gateway"
"""Label of Service and pods of an Envoy that no controller made; its value is what a Gateway's name would be."""


@dataclass(frozen=True)
class Door:
    """One way in: a Service and its port for requests."""

    service: Key
    port: int
    since: str
    """When its Gateway or Service was made."""


def doors(world: World, model: Model) -> Mapping[Key, Door]:
    """Return every gateway's first listener, the oldest first, then all other listeners."""
    first: dict[Key, Door] = {}
    others: dict[Key, Door] = {}
    for key, gateway in model.gateways.items():
        since = gateway.spec["metadata"]["creationTimestamp"]
        for number, port in enumerate(gateway.hosts):
            (others if number else first)[slots.door(key, port) if number else key] = Door(
                gateway.workload, port, since
            )
    for key, service in world["Service"].items():
        metadata = service["metadata"]
        if name := (metadata.get("labels") or {}).get(STANDALONE):
            own = (key[0], name)
            for number, each in enumerate(service["spec"]["ports"]):
                door = Door(key, each["port"], metadata["creationTimestamp"])
                (others if number else first).setdefault(slots.door(own, each["port"]) if number else own, door)
    return {**_oldest_first(first), **_oldest_first(others)}


def _oldest_first(found: Mapping[Key, Door]) -> Mapping[Key, Door]:
    return dict(sorted(found.items(), key=lambda one: (one[1].since, one[0])))
