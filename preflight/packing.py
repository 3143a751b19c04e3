"""Finds a node for every pod, with the scheduler's rules, but for all pods at once."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from preflight.matching import Rule, concerns, missing_labels, pod_rules, untolerated, wrong_node
from preflight.nodes import Node
from preflight.pods import Wanted
from preflight.quantity import spoken

TRIES = 1000
"""Placements tried before it counts as impossible; real ones need as many as there are pods."""


@dataclass
class Packing:
    """Pods being placed on nodes, in the stack's namespace."""

    nodes: Sequence[Node]
    namespace: str
    tolerating: bool = False
    """Whether pods tolerate taints with the name of a device that they ask for (ExtendedResourceToleration)."""
    placed: list[tuple[Wanted, Node]] = field(default_factory=list)
    tries: int = 0
    why: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    """What is in the way of a kind of pods that does not fit, by node."""
    _candidates: dict[str, list[Node]] = field(default_factory=dict)

    def place(self, pods: Sequence[Wanted]) -> bool:
        """Place them all, trying again where an earlier choice was bad; False if there is no way."""
        if not pods:
            return True
        first, rest = pods[0], pods[1:]
        seen = set()
        for node in sorted(self._open(first), key=lambda node: [node.free.get(name, 0) for name in first.devices]):
            likeness = self._likeness(node)
            if likeness in seen or self.obstacles(first, node):
                continue  # an equal node has been tried without a result
            seen.add(likeness)
            self.tries += 1
            if self.tries > TRIES:
                return False
            self._put(first, node, 1)
            if self.place(rest):
                return True
            self._put(first, node, -1)
        return False

    def place_some(self, pods: Sequence[Wanted]) -> Counter[str]:
        """Place what fits, one after the other; return how many of each did, and keep why the first did not."""
        count = Counter[str]()
        for pod in pods:
            placed = self.place([pod])
            count[pod.who] += placed
            if not placed and pod.who not in self.why:
                self.why[pod.who] = {node.name: self.obstacles(pod, node) for node in self.nodes}
        return count

    def obstacles(self, pod: Wanted, node: Node) -> list[str]:
        """Reasons why a pod cannot be placed on a node; empty if it can."""
        return self.exclusions(pod, node) or [*self._shortages(pod, node), *self._neighbours(pod, node)]

    def exclusions(self, pod: Wanted, node: Node) -> list[str]:
        """Reasons why a pod cannot be placed on a node even if the node is empty."""
        taints = [
            f"{each.get('key')}={each.get('value') or ''}:{each['effect']}"
            for each in untolerated(node, pod.placement)
            if not (self.tolerating and each.get("key") in pod.devices)
        ]
        return [
            *(["not Ready"] if not node.ready else []),
            *(["cordoned"] if node.cordoned else []),
            *(f"taint {each.replace('=:', ':')}" for each in taints),
            *(f"no label {each}" for each in missing_labels(node, pod.placement)),
            *(["excluded by nodeAffinity"] if wrong_node(node, pod.placement) else []),
        ]

    def _open(self, pod: Wanted) -> list[Node]:
        """Nodes that are not excluded; the same for all pods of a kind."""
        if pod.who not in self._candidates:
            self._candidates[pod.who] = [node for node in self.nodes if not self.exclusions(pod, node)]
        return self._candidates[pod.who]

    def _likeness(self, node: Node) -> tuple[object, ...]:
        labels = {key: value for key, value in node.labels.items() if key != "kubernetes.io/hostname"}
        here = sorted(pod.who for pod, where in self.placed if where is node)
        beside = sorted(str(labels) for namespace, labels in node.beside if namespace == self.namespace)
        return str(sorted(node.free.items())), tuple(node.ports), str(sorted(labels.items())), tuple(here), str(beside)

    def _shortages(self, pod: Wanted, node: Node) -> list[str]:
        found = [
            f"{spoken(name, max(node.free.get(name, 0), 0))} of {spoken(name, node.has.get(name, 0))} {name} free"
            for name, amount in pod.requests.items()
            if node.free.get(name, 0) < amount
        ]
        taken = {port: node.ports[port] for port in sorted(pod.ports & node.ports.keys())}
        return found + [f"host port {port} taken by {by}" for port, by in taken.items()]

    def _neighbours(self, pod: Wanted, node: Node) -> list[str]:
        apart = any(self._about(rule, pod, node) for rule in pod_rules(pod.placement, "podAntiAffinity"))
        refused = any(
            concerns(rule, self.namespace, self.namespace, pod.labels) and self._together(rule, node, where)
            for other, where in self.placed
            for rule in pod_rules(other.placement, "podAntiAffinity")
        )
        alone = [rule for rule in pod_rules(pod.placement, "podAffinity") if not self._joined(rule, pod, node)]
        return [
            *(["a pod that it must be apart from"] if apart or refused else []),
            *(["no pod that it must be beside"] if alone else []),
        ]

    def _joined(self, rule: Rule, pod: Wanted, node: Node) -> bool:
        anywhere = any(self._about(rule, pod, other) for other in self.nodes)
        first = not anywhere and concerns(rule, self.namespace, self.namespace, pod.labels)
        return first or self._about(rule, pod, node)

    def _about(self, rule: Rule, pod: Wanted, node: Node) -> bool:
        """Whether a term finds a pod in the topology domain of a node."""
        near = [each for each in self.nodes if self._together(rule, node, each)]
        there = [pair for each in near for pair in each.beside]
        there += [(self.namespace, other.labels) for other, where in self.placed if where in near]
        return any(concerns(rule, self.namespace, *pair) for pair in there)

    def _together(self, rule: Rule, one: Node, other: Node) -> bool:
        key = rule["topologyKey"]
        domain = one.labels.get(key)
        return one is other or (domain is not None and domain == other.labels.get(key))

    def _put(self, pod: Wanted, node: Node, sign: int) -> None:
        for name, amount in pod.requests.items():
            node.free[name] = node.free.get(name, 0) - sign * amount
        if sign > 0:
            node.ports.update(dict.fromkeys(pod.ports, f"our {pod.who} pod"))
            self.placed.append((pod, node))
        else:
            for port in pod.ports:
                del node.ports[port]
            self.placed.remove((pod, node))
