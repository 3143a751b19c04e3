"""NetworkPolicies of others that cut off traffic between the stack's pods.

Policies add up: pods that one policy selects get what any of them admits (kubernetes/api networking/v1).
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

from components.names import PICKER_PORTS
from preflight.answers import Object, Question
from preflight.facts import Facts
from preflight.finding import Finding, warning
from preflight.matching import selected

CHECK = "network policies"
FREE_PORTS = (32768, 60999)
"""Ports of which UCX takes any for KV blocks (`net.ipv4.ip_local_port_range`)."""


class End(NamedTuple):
    """Pods of the stack."""

    name: str
    labels: Mapping[str, str]
    whole: bool = True
    """Whether these are all of their labels; otherwise any selector may match."""
    here: bool = True
    """Whether they are in the stack's namespace."""


class Way(NamedTuple):
    """A connection that serving needs."""

    source: End
    target: End
    ports: tuple[int, int]


def asks(facts: Facts) -> list[Question]:
    """The policies of the namespace; nothing where the stack has policies of its own, which admit all that it needs."""
    return [] if facts.plan.isolation else [_policies(facts)]


def check(facts: Facts) -> Iterator[Finding]:
    """Connections that no policy admits; a warning, because some networks know no policies."""
    if facts.plan.isolation:
        return
    policies = facts.asked(_policies(facts)).items
    cut: dict[str, set[str]] = {}
    for path in _needed(facts):
        for direction, end, other in (("Ingress", path.target, path.source), ("Egress", path.source, path.target)):
            selecting = [each for each in policies if end.here and _selects(each, end, direction)]
            if selecting and not any(_admits(each, other, path.ports, direction, facts) for each in selecting):
                names = {each["metadata"]["name"] for each in selecting}
                cut.setdefault(f"{path.source.name} to {path.target.name}", set()).update(names)
    if cut:
        others = sorted(set(chain.from_iterable(cut.values())))
        yield warning(
            CHECK,
            "serving.security.level",
            f"NetworkPolicy {', '.join(others)} in namespace {facts.namespace} selects the stack's pods and does not "
            f"admit {', '.join(cut)}",
            "where the cluster's network enforces policies, requests would fail or be answered without disaggregation",
            "`pulumi config set --path serving.security.level locked` declares policies that admit what serving needs "
            "(policies add up); or have these admit it",
        )


def _needed(facts: Facts) -> Iterator[Way]:
    plan = facts.plan
    picker = End("the endpoint picker", {**plan.picker.labels, **plan.picker.selector})
    here = (plan.gateway.existing.namespace if plan.gateway.existing else facts.namespace) == facts.namespace
    gateway = End("the gateway", {}, whole=False, here=here)
    port, tiers = plan.pool.target_port, (plan.prefill.worker, plan.decode.worker)
    workers = [
        End(f"{each.role} workers", each.labels) for each in tiers if not each.host_network
    ]  # else none is asked
    yield Way(gateway, picker, (PICKER_PORTS["grpc"],) * 2)
    for each in workers:
        yield Way(gateway, each, (port, port))
        yield Way(picker, each, (port, port))
    if len(workers) == 2:
        for source, target in (workers, workers[::-1]):
            yield Way(source, target, FREE_PORTS)


def _selects(policy: Object, end: End, direction: str) -> bool:
    spec = policy["spec"]
    types = spec.get("policyTypes") or ["Ingress", *(["Egress"] if spec.get("egress") else [])]
    return direction in types and end.whole and selected(spec.get("podSelector") or {}, end.labels)


def _admits(policy: Object, other: End, ports: tuple[int, int], direction: str, facts: Facts) -> bool:
    field, peers = ("ingress", "from") if direction == "Ingress" else ("egress", "to")
    return any(
        _covers(rule.get("ports") or [], ports)
        and (not rule.get(peers) or any(_is_peer(each, other, facts) for each in rule[peers]))
        for rule in policy["spec"].get(field) or []
    )


def _covers(given: Sequence[Mapping[str, Any]], ports: tuple[int, int]) -> bool:
    """Whether the ports of a rule include these; a named port may be any port."""
    return not given or any(
        each.get("protocol", "TCP") == "TCP"
        and (
            not isinstance(each.get("port"), int)
            or (each["port"] <= ports[0] and ports[1] <= each.get("endPort", each["port"]))
        )
        for each in given
    )


def _is_peer(peer: Mapping[str, Any], end: End, facts: Facts) -> bool:
    """Whether a peer of a rule is, or may be, these pods."""
    if "ipBlock" in peer:
        return True
    spaces, pods = peer.get("namespaceSelector"), peer.get("podSelector")
    if spaces is None:
        there = end.here
    else:
        answer = facts.get(f"/api/v1/namespaces/{facts.namespace}")
        labels = (answer.body.get("metadata") or {}).get("labels") or {}
        there = not end.here or selected(spaces, labels)
    return there and (pods is None or not end.whole or selected(pods, end.labels))


def _policies(facts: Facts) -> Question:
    return Question(f"/apis/networking.k8s.io/v1/namespaces/{facts.namespace}/networkpolicies")
