"""Capacity for all pods at once, on typed nodes: what fits, what does not, and why."""

from typing import Any

import pytest

from preflight.checks import capacity
from preflight.finding import Finding, Severity
from preflight.pods import UNFINISHED
from preflight.quantity import spoken, thousandths
from preflight.state import State
from tests.preflight.typed import NODES, PODS, Typed, facts, listed, node, pod

RDMA: dict[str, Any] = {"rdma": {"resource": "rdma/ib"}}
HOST = "kubernetes.io/hostname"
APART = "requiredDuringSchedulingIgnoredDuringExecution"


def found(nodes: list[Any], pods: list[Any] | None = None, **changes: Any) -> list[Finding]:
    cluster = Typed({NODES: listed(*nodes), PODS: listed(*(pods or []))})
    return list(capacity.check(facts(cluster, **(changes or RDMA))))


def paths(nodes: list[Any], pods: list[Any] | None = None, **changes: Any) -> list[str]:
    return [each.path for each in found(nodes, pods, **changes)]


@pytest.mark.parametrize(
    ("nodes", "pods"),
    [
        ([node("a")], []),
        ([node("a", gpu=4), node("b", gpu=4)], []),
        ([node("a")], [pod("p", "a", cpu="100"), pod("idle", "a")]),
        ([node("a"), node("b")], [pod("p", "a", gpu="8"), pod("away", "gone", gpu="8")]),
        ([node("a")], [pod("w", "a", namespace="llm-d-pd", owner="ms-pd-llm-d-modelservice-decode-5f4", gpu="8")]),
        (
            [node("a")],
            [
                pod("w", "a", namespace="llm-d-pd", gpu="4", owner="gaie-pd-epp-77"),
                pod("g", "a", namespace="llm-d-pd", gpu="8", labels={"gateway.networking.k8s.io/gateway-name": "x"})
                | {"spec": {"containers": []}},
            ],
        ),
        ([node("a", taints=[{"key": "k", "effect": "PreferNoSchedule"}])], []),
    ],
)
def test_it_fits(nodes: list[Any], pods: list[Any]) -> None:
    assert found(nodes, pods) == []


def test_the_best_packing_is_found_where_the_first_is_bad() -> None:
    """Decode needs a whole node of four; prefill pods must not have spread over both."""
    nodes = [node("a", gpu=6), node("b", gpu=4), node("c", gpu=2)]
    assert found(nodes, [pod("p", "a", gpu="4")]) == []
    assert found([node("a", gpu=4, rdma=5), node("b", gpu=5, rdma=1)]) == [], "decode on a would leave no device there"


@pytest.mark.parametrize(
    ("nodes", "pods", "evidence"),
    [
        (
            [node("a"), node("b")],
            [pod("x", "a", gpu="8"), pod("y", "b", gpu="3")],
            "b: 0 of 8 amd.com/gpu free\nheld by training/x (8), training/y (3)",
        ),
        ([node("a", gpu=7)], [], "a: 0 of 7 amd.com/gpu free"),
        ([node("a", rdma=4)], [], "a: 0 of 4 rdma/ib free"),
        ([node("a")], [pod("x", "a", cpu="222")], "a: 0 of 256 cpu free"),
        ([node("a")], [pod("x", "a", memory="2046Gi")], "0Gi of 3072Gi memory free"),
    ],
)
def test_a_shortage_is_in_the_evidence(nodes: list[Any], pods: list[Any], evidence: str) -> None:
    assert evidence in " ".join(each.evidence for each in found(nodes, pods))


def test_pods_of_another_scheduler_are_suspected_only() -> None:
    [short] = found([node("a", gpu=7)], **RDMA, decode__scheduler="volcano")
    assert (short.path, short.severity) == ("serving.prefill", Severity.ERROR)
    [short] = found([node("a", gpu=7)], **RDMA, prefill__scheduler="volcano")
    assert (short.path, short.severity) == ("serving.prefill", Severity.WARNING)
    assert "volcano places them" in short.outcome


def test_further_resources_are_looked_for_under_their_own_setting() -> None:
    [absent] = found([node("a")], **RDMA, prefill__resources={"example.com/rail-2": 1})
    assert absent.path == "serving.prefill.resources"
    assert "no node offers example.com/rail-2" in absent.evidence
    pages = found([node("a")], **RDMA, decode__resources={"hugepages-2Mi": "5Gi"})
    assert [each.path for each in pages] == ["serving.decode"]
    assert "0Gi of 0Gi hugepages-2Mi free" in pages[0].evidence


@pytest.mark.parametrize(
    ("excluded", "why", "remedy"),
    [
        (
            {"taints": [{"key": "k", "value": "v", "effect": "NoSchedule"}]},
            "taint k=v:NoSchedule",
            "tolerations[0].key' k",
        ),
        ({"taints": [{"key": "k", "effect": "NoExecute"}]}, "taint k:NoExecute", "(effect NoExecute)"),
        ({"cordoned": True}, "cordoned", "uncordon"),
        ({"ready": False}, "not Ready", "kubectl describe node"),
    ],
)
def test_nodes_that_take_no_pod_do_not_count(excluded: Any, why: str, remedy: str) -> None:
    findings = found([node("a", **excluded), node("small", gpu=0, rdma=0)])
    assert [each.path for each in findings] == ["serving.decode", "serving.prefill"], "the others go to the small one"
    assert why in findings[0].evidence
    assert remedy in findings[0].remedy


@pytest.mark.parametrize(
    ("key", "severity"),
    [("amd.com/gpu", Severity.WARNING), ("rdma/ib", Severity.WARNING), ("nvidia.com/gpu", Severity.ERROR)],
)
def test_a_taint_named_after_a_device_of_the_pod_is_suspected_only(key: str, severity: Severity) -> None:
    """GKE taints GPU nodes like that, and its admission gives the toleration to pods that ask for GPUs."""
    taints = [{"key": key, "value": "present", "effect": "NoSchedule"}]
    findings = found([node("a", taints=taints), node("small", gpu=0, rdma=0)])
    assert [(each.path, each.severity) for each in findings] == [
        ("serving.decode", severity),
        ("serving.prefill", severity),
    ]
    assert f"tolerations[0].key' {key}" in findings[0].remedy


@pytest.mark.parametrize(
    ("toleration", "fits"),
    [
        ({"key": "k"}, True),
        ({"key": "k", "operator": "Equal", "value": "v"}, True),
        ({"key": "k", "operator": "Equal", "value": "other"}, False),
        ({"key": "k", "effect": "NoExecute"}, False),
        ({"key": "other"}, False),
        ({}, True),
    ],
)
def test_tolerations_are_read_as_the_scheduler_reads_them(toleration: Any, fits: bool) -> None:
    nodes = [node("a", taints=[{"key": "k", "value": "v", "effect": "NoSchedule"}]), node("small", gpu=0, rdma=0)]
    tolerant = {"prefill__tolerations": [toleration], "decode__tolerations": [toleration]}
    assert (found(nodes, **RDMA, **tolerant) == []) is fits


@pytest.mark.parametrize(
    ("expression", "fits"),
    [
        ({"key": "zone", "operator": "In", "values": ["b"]}, True),
        ({"key": "zone", "operator": "In", "values": ["c"]}, False),
        ({"key": "zone", "operator": "NotIn", "values": ["b"]}, False),
        ({"key": "zone", "operator": "Exists"}, True),
        ({"key": "zone", "operator": "DoesNotExist"}, False),
        ({"key": "generation", "operator": "Gt", "values": ["3"]}, True),
        ({"key": "generation", "operator": "Lt", "values": ["4"]}, False),
        ({"key": "zone", "operator": "Gt", "values": ["3"]}, False),
    ],
)
def test_node_affinity_is_respected(expression: Any, fits: bool) -> None:
    term = {"nodeAffinity": {APART: {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}}}
    nodes = [node("a", zone="b", generation="4")]
    assert (found(nodes, **RDMA, decode__affinity=term) == []) is fits


def test_node_selectors_are_respected() -> None:
    [finding] = found([node("a", zone="b")], **RDMA, decode__nodeSelector={"zone": "c"})
    assert "a: no label zone=c" in finding.evidence
    assert found([node("a", zone="c")], **RDMA, decode__nodeSelector={"zone": "c"}) == []


def test_host_network_wants_two_whole_nodes() -> None:
    changes: dict[str, Any] = {"hostNetwork": True}
    assert found([node("a"), node("b")], **changes) == []
    [finding] = found([node("a", gpu=16)], **changes)
    assert "a: a pod that it must be apart from" in finding.evidence or "host port 8000" in finding.evidence
    [finding] = found([node("a"), node("b")], [pod("x", "b", ports=[5600])], **changes)
    assert "b: host port 5600 taken by training/x" in finding.evidence


def test_anti_affinity_counts_pods_that_are_there_and_those_to_come() -> None:
    alone = {"podAntiAffinity": {APART: [{"labelSelector": {"matchLabels": {"app": "x"}}, "topologyKey": HOST}]}}
    running = pod("x", "a", namespace="llm-d-pd", labels={"app": "x"})
    assert paths([node("a")], [running], **RDMA, decode__affinity=alone) == ["serving.decode"]
    elsewhere = pod("x", "a", namespace="other", labels={"app": "x"})
    assert paths([node("a")], [elsewhere], **RDMA, decode__affinity=alone) == []
    selector = {"matchLabels": {"llm-d.ai/role": "prefill"}}
    spread = {"podAntiAffinity": {APART: [{"labelSelector": selector, "topologyKey": HOST}]}}
    four = [node(name) for name in "abcd"]
    assert paths(four, **RDMA, prefill__affinity=spread) == []
    assert paths(four[:3], **RDMA, prefill__affinity=spread) == ["serving.prefill"]


def test_affinity_wants_company_unless_it_is_the_first() -> None:
    selector = {"matchLabels": {"llm-d.ai/role": "prefill"}}
    together = {"podAffinity": {APART: [{"labelSelector": selector, "topologyKey": "zone"}]}}
    nodes = [node("a", gpu=4, zone="1"), node("b", gpu=4, zone="2")]
    assert paths(nodes, **RDMA, prefill__affinity=together) == []
    assert paths([node("a", gpu=6, zone="1"), node("b", gpu=2, zone="2")], **RDMA, prefill__affinity=together) == [
        "serving.prefill"
    ]


@pytest.mark.parametrize(
    ("offered", "changes", "path", "remedy"),
    [
        ({"rdma/roce_gdr": "8", "amd.com/gpu": "8"}, RDMA, "serving.rdma.resource", "did you mean rdma/roce_gdr?"),
        ({"amd.com/gpu": "8"}, RDMA, "serving.rdma.resource", "install the network operator's device plugin"),
        ({"amd.com/cpx_nps4": "64"}, {"postfix": "pd"}, "serving.gpuResource", "did you mean amd.com/cpx_nps4?"),
        ({"amd.com/vnic": "8"}, {"postfix": "pd"}, "serving.accelerator", "install the vendor's device plugin"),
        (
            {"amd.com/gpu": "8"},
            {"gpuResource": "amd.com/cpx_nps4"},
            "serving.gpuResource",
            "`pulumi config set --path serving.gpuResource amd.com/gpu`",
        ),
        ({}, {"gpuResource": "amd.com/cpx_nps4"}, "serving.gpuResource", "install the vendor's device plugin"),
        ({"nvidia.com/gpu": "8"}, {"postfix": "pd"}, "serving.accelerator", "Its nodes have nvidia.com/gpu"),
        ({}, {"postfix": "pd"}, "serving.accelerator", "install the vendor's device plugin"),
        (
            {"amd.com/gpu": "8", "rdma/hca_shared": "9"},
            {"decode__rdma": {"resource": "rdma/ib"}},
            "serving.decode.rdma.resource",
            "`pulumi config set --path serving.decode.rdma.resource rdma/hca_shared`",
        ),
    ],
)
def test_a_device_that_no_node_offers(offered: Any, changes: Any, path: str, remedy: str) -> None:
    one = node("a", gpu=0, rdma=0)
    one["status"]["allocatable"].update(offered)
    findings = found([one], **changes)
    assert [each.path for each in findings] == [path]
    assert remedy in findings[0].remedy


def test_devices_that_are_not_allocatable_differ_from_absent_devices() -> None:
    sick = node("a", gpu=0, rdma=8)
    sick["status"]["capacity"] = {"amd.com/gpu": "8", "rdma/ib": "8", "cpu": "999"}
    [finding] = found([sick, node("b", gpu=0)], **RDMA)
    assert (finding.path, finding.evidence) == (
        "serving.accelerator",
        "1 of 2 nodes have amd.com/gpu (8 on a), but none is allocatable",
    )
    half = node("a", gpu=7)
    half["status"]["capacity"] = {"amd.com/gpu": "8"}
    [finding] = found([half], **RDMA)
    assert "not allocatable, see the device plugin's log: 1 amd.com/gpu on a" in finding.evidence


def test_many_nodes_are_no_trouble() -> None:
    """Every packing is impossible, and all nodes differ: the search ends all the same."""
    nodes = [node(f"n{index}", gpu=3, zone=str(index)) for index in range(200)]
    assert paths(nodes, **RDMA) == ["serving.decode"]


def test_nodes_that_may_not_be_listed_are_a_warning() -> None:
    cluster = Typed(codes={NODES: 403})
    [finding] = capacity.check(facts(cluster))
    assert (finding.severity, "typed refusal" in finding.evidence) == ("warning", True)


def test_quantities_are_counted_in_thousandths() -> None:
    assert [thousandths(text) for text in ("500m", "1Ki", "100u")] == [500, 1024_000, 1]


def test_amounts_are_spoken() -> None:
    assert spoken("memory", thousandths("256Gi")) == "256Gi"
    assert spoken("cpu", thousandths("1500m")) == "1.5"
    assert spoken("amd.com/gpu", 8000) == "8"


@pytest.mark.parametrize(
    ("cpu", "memory", "disk", "evidence"),
    [
        ("58", "1294Gi", "500Gi", ""),
        ("56", "1294Gi", "500Gi", "56 cpu free"),
        ("58", "1292Gi", "500Gi", "1292Gi memory free"),
        ("58", "1294Gi", "400Gi", "400Gi ephemeral-storage free"),
    ],
)
def test_what_an_update_needs_beyond_the_running_pods_is_found(cpu: str, memory: str, disk: str, evidence: str) -> None:
    """Pods of an older version fill the node: their sidecar requests nothing, and no pod requests disk."""
    full = node("a")
    full["status"]["allocatable"] |= {"cpu": cpu, "memory": memory, "ephemeral-storage": disk}
    own = {"namespace": "llm-d-pd", "memory": "256Gi"}
    running = [pod(f"p{n}", "a", owner="ms-pd-llm-d-modelservice-prefill-1", gpu="1", cpu="8", **own) for n in range(4)]
    running.append(pod("d", "a", owner="ms-pd-llm-d-modelservice-decode-1", gpu="4", cpu="16", **own))
    running.append(pod("e", "a", namespace="llm-d-pd", owner="gaie-pd-epp-1", cpu="4", memory="8Gi"))
    findings = [each.evidence for each in found([full], running)]
    assert (evidence in " ".join(findings)) if evidence else not findings, findings


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


def test_sidecars_and_overhead_of_other_pods_count() -> None:
    other = pod("job", "a", cpu="100")
    sidecar = {"resources": {"requests": {"cpu": "100"}}, "restartPolicy": "Always"}
    other["spec"] |= {"initContainers": [sidecar], "overhead": {"cpu": "40"}}
    found = list(capacity.check(facts(Typed({NODES: listed(node("a")), PODS: listed(other)}))))
    assert "16 of 256 cpu free" in found[0].evidence


def test_the_pods_of_the_generation_that_serves_keep_their_gpus() -> None:
    """A second generation counts beside it; the same word takes its place."""
    old = pod("w", "a", namespace="llm-d-pd", owner="ms-pd-llm-d-modelservice-decode-5f4", gpu="8")
    cluster = Typed({NODES: listed(node("a")), PODS: listed(old)})
    route = {"spec": {"rules": [{"backendRefs": [{"name": "gaie-pd"}]}]}}
    state = State(known=True, inputs={"HTTPRoute/llm-d-pd/llm-d-pd-disaggregation": route})
    assert list(capacity.check(facts(cluster, state, **RDMA))) == []
    [finding, *_] = capacity.check(facts(cluster, state, **RDMA, rollout={"generation": "b"}))
    assert finding.severity is Severity.ERROR
    assert "the generation that serves keeps its GPUs" in finding.remedy
    assert "rollout.maxSurge" in finding.remedy
