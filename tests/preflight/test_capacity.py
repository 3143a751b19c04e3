"""Capacity in large clusters, and quantities. `tests/cases/capacity.yaml` has what fits, what does not, and why."""

from typing import Any

from preflight.checks import capacity
from preflight.finding import Finding
from preflight.nodes import Node
from preflight.packing import Packing
from preflight.pods import UNFINISHED, Wanted
from preflight.quantity import spoken, thousandths
from tests.preflight.typed import NODES, PODS, Typed, facts, listed, node, pod


def test_many_nodes_are_no_trouble() -> None:
    """Every packing is impossible, and all nodes differ: the search ends all the same."""
    nodes = [node(f"n{index}", gpu=3, zone=str(index)) for index in range(200)]
    known = facts(Typed({NODES: listed(*nodes), PODS: listed()}), rdma={"resource": "rdma/ib"})
    assert [each.path for each in capacity.check(known)] == ["serving.decode"]


def test_quantities_are_counted_in_thousandths_and_spoken() -> None:
    assert [thousandths(text) for text in ("500m", "1Ki", "100u")] == [500, 1024_000, 1]
    assert spoken("memory", thousandths("256Gi")) == "256Gi"
    assert spoken("cpu", thousandths("1500m")) == "1.5"
    assert spoken("amd.com/gpu", 8000) == "8"


def _large(free: int, **pods: Any) -> tuple[list[Finding], Typed]:
    """Findings on 60 nodes, and the cluster that was asked; all but `free` nodes have pods with all GPUs."""
    busy = [pod(f"p{number}", f"n{number}", gpu="8") for number in range(60 - free)]
    answers = {NODES: listed(*(node(f"n{number}") for number in range(60))), **pods}
    for number in range(60):
        path = f"/api/v1/pods?resourceVersion=0&limit=500&fieldSelector=spec.nodeName=n{number},{UNFINISHED}"
        answers[path] = listed(*busy[number : number + 1])
    cluster = Typed(answers)
    return list(capacity.check(facts(cluster))), cluster


def test_of_a_large_cluster_the_pods_of_some_nodes_are_listed() -> None:
    found, cluster = _large(30)
    assert not found
    assert len(cluster.asked) == 21
    assert PODS not in [each.path for each in cluster.asked]


def test_of_a_large_cluster_all_pods_are_listed_where_some_nodes_hold_not_enough() -> None:
    assert not _large(0, **{PODS: listed()})[0]
    found, cluster = _large(0)
    assert ["pods of the cluster cannot be listed" in each.evidence for each in found] == [True]
    assert cluster.asked[-1].path == PODS


def test_pods_of_a_large_cluster_that_cannot_be_listed_are_said_once() -> None:
    found = list(capacity.check(facts(Typed({NODES: listed(*(node(f"n{number}") for number in range(60)))}))))
    assert ["pods of the cluster cannot be listed" in each.evidence for each in found] == [True]


def test_a_rule_about_zones_needs_the_pods_of_all_nodes() -> None:
    rule = {"labelSelector": {"matchLabels": {"app": "x"}}, "topologyKey": "topology.kubernetes.io/zone"}
    required = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [rule]}}
    cluster = Typed({NODES: listed(*(node(f"n{number}") for number in range(60))), PODS: listed()})
    assert not list(capacity.check(facts(cluster, decode__affinity=required)))
    assert [each.path for each in cluster.asked] == [NODES, PODS]


def test_a_thousand_pods_are_placed() -> None:
    large = Node("n", {}, [], has={}, free={"pods": 1000_000})
    assert Packing([large], "x").place([Wanted("decode", {"pods": 1000}, "serving.decode")] * 1000)
