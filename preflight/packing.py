"""Finds a node for every pod, with the scheduler's rules, but for all pods at once."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from preflight.matching import Rule, concerns, missing_labels, pod_rules, untolerated, wrong_node
from preflight.nodes import Node
from preflight.pods import Wanted
from preflight.quantity import spoken

STEPS = 1000
"""Most steps of a search, beside one for each pod. A search that finds a way seldom needs one of them."""


@dataclass
class Packing:
    """Pods being placed on nodes, in the stack's namespace."""

    nodes: Sequence[Node]
    namespace: str
    tolerating: bool = False
    """Whether pods tolerate taints with the name of a device that they ask for (ExtendedResourceToleration)."""
    placed: dict[str, list[Wanted]] = field(default_factory=lambda: defaultdict(list))
    """Placed pods by the name of the node."""
    gave_up: bool = False
    """Whether a search ended at its most steps, so that it proves nothing."""
    why: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    """What is in the way of a kind of pods that does not fit, by node."""
    _candidates: dict[str, list[Node]] = field(default_factory=dict)

    def place(self, pods: Sequence[Wanted]) -> bool:
        """Place them all, trying again where an earlier choice was bad; False if no way was found."""
        ways, chosen, turned = list[Iterator[Node]](), list[Node](), False
        for _ in range(STEPS + len(pods)):
            rest = pods[len(chosen) :]
            if not rest:
                return True
            if len(ways) == len(chosen):
                ways.append(self._ways(rest[0]))
            node = next(ways[-1], None) if not turned or self._may_fit(rest) else None
            if node:
                self._put(rest[0], node, 1)
                chosen.append(node)
            elif chosen:
                turned = True
                ways.pop()
                self._put(pods[len(chosen) - 1], chosen.pop(), -1)
            else:
                return False
        self.gave_up = True
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

    def _ways(self, pod: Wanted) -> Iterator[Node]:
        """Nodes for a pod, those with the fewest free devices first. Of equal nodes, the first is enough."""
        seen = set()
        for node in sorted(self._open(pod), key=lambda node: [node.free.get(name, 0) for name in pod.devices]):
            if self._short(pod, node):
                continue
            likeness = self._likeness(node)
            if likeness not in seen and not self.obstacles(pod, node):
                seen.add(likeness)
                yield node

    def _may_fit(self, pods: Sequence[Wanted]) -> bool:
        """Whether each kind of pods would fit without the other kinds, and without rules about other pods."""
        kinds, counts = {pod.who: pod for pod in pods}, Counter(pod.who for pod in pods)
        return all(sum(_most(pod, node) for node in self._open(pod)) >= counts[who] for who, pod in kinds.items())

    def _open(self, pod: Wanted) -> list[Node]:
        """Nodes that are not excluded; the same for all pods of a kind."""
        if pod.who not in self._candidates:
            self._candidates[pod.who] = [node for node in self.nodes if not self.exclusions(pod, node)]
        return self._candidates[pod.who]

    def _likeness(self, node: Node) -> tuple[object, ...]:
        labels = {key: value for key, value in node.labels.items() if key != "kubernetes.io/hostname"}
        here = sorted(pod.who for pod in self.placed[node.name])
        beside = sorted(str(labels) for namespace, labels in node.beside if namespace == self.namespace)
        return str(sorted(node.free.items())), tuple(node.ports), str(sorted(labels.items())), tuple(here), str(beside)

    def _short(self, pod: Wanted, node: Node) -> list[str]:
        """Resources of which the node has too little."""
        return [name for name, amount in pod.requests.items() if node.free.get(name, 0) < amount]

    def _shortages(self, pod: Wanted, node: Node) -> list[str]:
        found = [
            f"{spoken(name, max(node.free.get(name, 0), 0))} of {spoken(name, node.has.get(name, 0))} {name} free"
            for name in self._short(pod, node)
        ]
        taken = {port: node.ports[port] for port in sorted(pod.ports & node.ports.keys())}
        return found + [f"host port {port} taken by {by}" for port, by in taken.items()]

    def _neighbours(self, pod: Wanted, node: Node) -> list[str]:
        apart = any(self._about(rule, pod, node) for rule in pod_rules(pod.placement, "podAntiAffinity"))
        kinds = {other.who: other for here in self.placed.values() for other in here}.values()
        refused = any(
            concerns(rule, self.namespace, self.namespace, pod.labels)
            and any(self._together(rule, node, where) for where in self.nodes if other in self.placed[where.name])
            for other in kinds
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
        there += [(self.namespace, other.labels) for each in near for other in self.placed[each.name]]
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
            self.placed[node.name].append(pod)
        else:
            for port in pod.ports:
                del node.ports[port]
            self.placed[node.name].remove(pod)


def _most(pod: Wanted, node: Node) -> int:
    """How many such pods the free resources of a node hold."""
    return max(0, min(node.free.get(name, 0) // amount for name, amount in pod.requests.items() if amount))
