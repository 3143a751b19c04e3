"""Nodes, and what is free on them once our own pods are gone."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from components.plan import ServingPlan
from preflight.answers import Object
from preflight.pods import host_ports, replaced_by, requested
from preflight.quantity import Amounts, amounts, total

ITS_OWN = ("node.kubernetes.io/unschedulable", "node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
"""Taints that repeat other fields of the node."""

REFUSING = ("NoSchedule", "NoExecute")
"""Effects of taints that keep pods away; PreferNoSchedule does not."""


@dataclass
class Node:
    """A node as the scheduler sees it."""

    name: str
    labels: Mapping[str, str]
    taints: list[Mapping[str, str]]
    has: Amounts
    """What it can give to pods (`allocatable`)."""
    free: Amounts
    cordoned: bool = False
    ready: bool = True
    ports: dict[int, str] = field(default_factory=dict)
    """Ports of the node that are taken, and by which pod."""
    held: dict[str, Amounts] = field(default_factory=dict)
    """What others' pods take, by `namespace/name`."""
    sick: Amounts = field(default_factory=dict)
    """Devices that it has and cannot give: its device plugin calls them unhealthy, or has not registered again."""
    beside: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)
    """Namespace and labels of others' pods on it."""


def nodes(listed: Iterable[Object], pods: Iterable[Object], plan: ServingPlan) -> list[Node]:
    """All nodes, with the pods that this run does not replace."""
    found = {node.name: node for node in map(_node, listed)}
    for pod in pods:
        node = found.get(pod["spec"].get("nodeName", ""))
        if node is None or replaced_by(pod, plan):
            continue
        metadata, needs = pod["metadata"], requested(pod)
        name = f"{metadata.get('namespace')}/{metadata['name']}"
        node.free = total(node.free, {resource: -amount for resource, amount in needs.items()})
        node.held[name] = needs
        node.ports.update(dict.fromkeys(host_ports(pod), name))
        node.beside.append((str(metadata.get("namespace")), metadata.get("labels") or {}))
    return list(found.values())


def slim_node(node: Object) -> Object:
    """The fields of a node that the checks read."""
    metadata, status = node["metadata"], node.get("status") or {}
    return {
        "metadata": {key: metadata[key] for key in ("name", "labels") if key in metadata},
        "spec": node.get("spec") or {},
        "status": {key: status[key] for key in ("allocatable", "capacity", "conditions") if key in status},
    }


def _node(node: Object) -> Node:
    metadata, spec, status = node["metadata"], node.get("spec") or {}, node.get("status") or {}
    has = amounts(status.get("allocatable"))
    capacity = amounts(status.get("capacity"))
    conditions = {each["type"]: each["status"] for each in status.get("conditions") or []}
    return Node(
        metadata["name"],
        metadata.get("labels") or {},
        [
            each
            for each in spec.get("taints") or []
            if each.get("effect") in REFUSING and each.get("key") not in ITS_OWN
        ],
        has,
        dict(has),
        bool(spec.get("unschedulable")),
        conditions.get("Ready", "True") == "True",
        sick={name: lost for name in capacity if "/" in name and (lost := capacity[name] - has.get(name, 0)) > 0},
    )
