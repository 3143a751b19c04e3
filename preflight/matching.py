"""Kubernetes' selectors, tolerations and node affinity, as the scheduler reads them."""

from collections.abc import Iterable, Mapping
from typing import Any

from components.args import PlacementArgs
from components.pods.placement import REQUIRED, affinity
from preflight.nodes import Node

Rule = Mapping[str, Any]


def selected(selector: Rule | None, labels: Mapping[str, str]) -> bool:
    """Whether a label selector matches; an empty selector matches everything, None nothing."""
    if selector is None:
        return False
    exact = selector.get("matchLabels") or {}
    return all(labels.get(key) == value for key, value in exact.items()) and all(
        _holds(each, labels) for each in selector.get("matchExpressions") or []
    )


def untolerated(node: Node, placement: PlacementArgs) -> list[Mapping[str, str]]:
    """The taints of a node that keep a pod away."""
    return [taint for taint in node.taints if not any(_tolerates(each, taint) for each in placement.tolerations)]


def missing_labels(node: Node, placement: PlacementArgs) -> list[str]:
    """Labels that the pod asks for and the node does not have."""
    return [f"{key}={value}" for key, value in placement.node_selector.items() if node.labels.get(key) != value]


def wrong_node(node: Node, placement: PlacementArgs) -> bool:
    """Whether required node affinity excludes a node."""
    required = (placement.affinity.get("nodeAffinity") or {}).get(REQUIRED)
    if not required:
        return False
    return not any(_term(each, node) for each in required.get("nodeSelectorTerms") or [])


def pod_rules(placement: PlacementArgs, kind: str) -> list[Rule]:
    """Required terms of `podAffinity` or `podAntiAffinity`, the plan's own among them."""
    return list(((affinity(placement) or {}).get(kind) or {}).get(REQUIRED) or [])


def concerns(rule: Rule, own_namespace: str, namespace: str, labels: Mapping[str, str]) -> bool:
    """Whether a term is about a pod."""
    everywhere = rule.get("namespaceSelector") is not None
    return (everywhere or namespace in (rule.get("namespaces") or [own_namespace])) and selected(
        rule.get("labelSelector"), labels
    )


def _term(term: Rule, node: Node) -> bool:
    expressions, fields = term.get("matchExpressions") or [], term.get("matchFields") or []
    if not expressions and not fields:
        return False
    return all(_holds(each, node.labels) for each in expressions) and all(
        _holds(each, {"metadata.name": node.name}) for each in fields
    )


def _holds(expression: Rule, labels: Mapping[str, str]) -> bool:
    value, operator = labels.get(expression["key"]), expression["operator"]
    values: Iterable[Any] = expression.get("values") or []
    if operator in ("Gt", "Lt"):
        try:
            number, bound = int(value or ""), int(next(iter(values)))
        except (ValueError, StopIteration):
            return False
        return number > bound if operator == "Gt" else number < bound
    return {
        "In": value in values,
        "NotIn": value is None or value not in values,
        "Exists": value is not None,
        "DoesNotExist": value is None,
    }[operator]


def _tolerates(toleration: Any, taint: Mapping[str, str]) -> bool:
    if toleration.effect and toleration.effect != taint.get("effect"):
        return False
    if not toleration.key:
        return bool(toleration.operator == "Exists")
    if toleration.key != taint.get("key"):
        return False
    return bool(toleration.operator == "Exists" or (toleration.value or "") == (taint.get("value") or ""))
