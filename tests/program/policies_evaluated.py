"""Connections that NetworkPolicies allow, by the rules of their API (networking.k8s.io/v1).

A pod that no policy selects may use every connection. For a pod that a policy selects, in that direction, only the
connections that one of its policies allows are possible. A connection must be allowed at its source and at its target.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any

Labels = Mapping[str, str]
Policy = Mapping[str, Any]


@dataclass(frozen=True)
class End:
    """One end of a connection: a pod, or an address outside the pod network."""

    address: str
    labels: Labels = field(default_factory=dict)
    namespace: str | None = None
    """None: no pod of the pod network."""

    @property
    def namespace_labels(self) -> Labels:
        return {"kubernetes.io/metadata.name": self.namespace or ""}


def passes(policies: Sequence[Policy], source: End, target: End, port: int, protocol: str = "TCP") -> bool:
    """Whether a connection comes about."""
    leaves = _allowed(policies, "Egress", source, target, (port, protocol))
    return leaves and _allowed(policies, "Ingress", target, source, (port, protocol))


def _allowed(policies: Sequence[Policy], direction: str, end: End, other: End, port: tuple[int, str]) -> bool:
    if end.namespace is None:
        return True
    selecting = [
        each
        for each in policies
        if each["metadata"]["namespace"] == end.namespace
        and direction in each["spec"]["policyTypes"]
        and _selected(each["spec"]["podSelector"], end.labels)
    ]
    peers = "to" if direction == "Egress" else "from"
    rules = [(each, rule) for each in selecting for rule in each["spec"].get(direction.lower()) or []]
    return not selecting or any(
        _peer(rule.get(peers), each, other) and _port(rule.get("ports"), port) for each, rule in rules
    )


def _selected(selector: Mapping[str, Any], labels: Labels) -> bool:
    assert selector.keys() <= {"matchLabels"}, selector
    return dict(selector.get("matchLabels") or {}).items() <= labels.items()


def _peer(peers: Sequence[Mapping[str, Any]] | None, policy: Policy, other: End) -> bool:
    """No peers are all peers, addresses outside the cluster included."""
    return not peers or any(_one(peer, policy, other) for peer in peers)


def _one(peer: Mapping[str, Any], policy: Policy, other: End) -> bool:
    if "ipBlock" in peer:
        assert peer.keys() == {"ipBlock"}, peer
        block = peer["ipBlock"]
        inside = ip_address(other.address) in ip_network(block["cidr"])
        return inside and not any(ip_address(other.address) in ip_network(each) for each in block.get("except") or [])
    assert peer, "a peer must say something"
    if other.namespace is None:
        return False
    if "namespaceSelector" in peer:
        near = _selected(peer["namespaceSelector"], other.namespace_labels)
    else:
        near = other.namespace == policy["metadata"]["namespace"]
    return near and _selected(peer.get("podSelector") or {}, other.labels)


def _port(ports: Sequence[Mapping[str, Any]] | None, wanted: tuple[int, str]) -> bool:
    """No ports are all ports."""
    return not ports or any((each["port"], each.get("protocol", "TCP")) == wanted for each in ports)
