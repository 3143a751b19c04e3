"""Nodes of a description with the real scheduler."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client, config

from sandbox.errors import SandboxError
from tests.sandbox.running import Running, provide_nodes


@pytest.fixture(scope="module")
def api(cluster: Running) -> Any:
    provide_nodes(cluster)
    return client.CoreV1Api(config.new_client_from_config(str(cluster.host_kubeconfig)))


@pytest.fixture
def namespace(api: Any) -> Iterator[str]:
    name = api.create_namespace({"metadata": {"generateName": "nodes-"}}).metadata.name
    deadline = time.monotonic() + 10  # a pod needs the ServiceAccount that a controller makes in every namespace
    while not api.list_namespaced_service_account(name).items and time.monotonic() < deadline:
        time.sleep(0.05)
    yield name
    api.delete_namespace(name)


def pod(api: Any, namespace: str, name: str, requests: dict[str, str], **spec: Any) -> None:
    container: dict[str, Any] = {
        "name": "c",
        "image": "pause:3",
        "resources": {"limits": requests, "requests": requests},
    }
    if "ports" in spec:
        container["ports"] = spec.pop("ports")
    body = {"metadata": {"name": name}, "spec": {"containers": [container], **spec}}
    api.create_namespaced_pod(namespace, body)


def eventually(read: Callable[[], Any], wanted: Callable[[Any], bool]) -> Any:
    deadline = time.monotonic() + 15
    while not wanted(value := read()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return value


def condition(pod: Any, kind: str) -> Any:
    return next((one for one in pod.status.conditions or [] if one.type == kind), None)


def ready(pod: Any) -> bool:
    found = condition(pod, "Ready")
    return found is not None and found.status == "True"


def refused(pod: Any) -> bool:
    found = condition(pod, "PodScheduled")
    return found is not None and found.status == "False"


def named(api: Any, start: str) -> dict[str, Any]:
    return {node.metadata.name: node for node in api.list_node().items if node.metadata.name.startswith(start)}


def test_nodes_of_both_accelerators_exist_side_by_side(cluster: Running, api: Any) -> None:
    provide_nodes(cluster, "nvidia", 3)
    assert named(api, "nvidia").keys() == {"nvidia-0", "nvidia-1", "nvidia-2"}
    provide_nodes(cluster, "nvidia", None)
    assert named(api, "nvidia").keys() == {"nvidia-0", "nvidia-1", "nvidia-2"}  # the same number as before
    provide_nodes(cluster, "nvidia", 1)
    assert named(api, "nvidia").keys() == {"nvidia-0"}
    assert named(api, "amd").keys() == {"amd-0", "amd-1"}
    offered = named(api, "nvidia")["nvidia-0"].status.allocatable
    assert {name: number for name, number in offered.items() if "/" in name} == {"nvidia.com/gpu": "8", "rdma/ib": "63"}
    kinds = eventually(
        lambda: [one.type for one in api.read_node("nvidia-0").status.conditions or [] if one.status == "True"], bool
    )
    assert kinds == ["Ready"]


def test_pods_of_a_deleted_node_are_deleted(cluster: Running, api: Any, namespace: str) -> None:
    provide_nodes(cluster, "nvidia", 2)
    pod(api, namespace, "p", {"nvidia.com/gpu": "8"}, nodeSelector={"kubernetes.io/hostname": "nvidia-1"})
    assert eventually(lambda: api.list_namespaced_pod(namespace).items, lambda pods: all(map(ready, pods)))
    provide_nodes(cluster, "nvidia", 1)
    assert api.list_namespaced_pod(namespace).items == []


TAINTED = """
nodes:
  - name: big
    count: 1
    gpus: 4
    gpuResource: nvidia.com/gpu
    rdma: {vpc.amazonaws.com/efa: 16}
    cpu: 96
    memory: 1Ti
    disk: 2Ti
    labels: {node.kubernetes.io/instance-type: p5en.48xlarge}
    taints: [{key: only, value: gpus, effect: NoSchedule}]
  - {name: small, count: 1, cpu: 2, memory: 4Gi, disk: 20Gi}
"""


def test_the_scheduler_honours_the_taints_labels_and_sizes_of_a_description(
    cluster: Running, api: Any, namespace: str, tmp_path: Path
) -> None:
    file = tmp_path / "tainted.yaml"
    file.write_text(TAINTED)
    provide_nodes(cluster, "nvidia", None, str(file))
    try:
        assert {node.metadata.name for node in api.list_node().items} == {"big-0", "small-0"}
        selector = {"node.kubernetes.io/instance-type": "p5en.48xlarge"}
        tolerations = [{"key": "only", "operator": "Exists"}]
        devices = {"nvidia.com/gpu": "4", "vpc.amazonaws.com/efa": "16"}
        pod(api, namespace, "tolerant", devices, nodeSelector=selector, tolerations=tolerations)
        pod(api, namespace, "intolerant", {"cpu": "1"}, nodeSelector=selector)
        pod(api, namespace, "small", {"cpu": "1"})
        pod(api, namespace, "large", {"cpu": "3"})
        pods = eventually(
            lambda: {one.metadata.name: one for one in api.list_namespaced_pod(namespace).items},
            lambda pods: sum(map(ready, pods.values())) == 2 and sum(map(refused, pods.values())) == 2,
        )
        placed = {name: one.spec.node_name for name, one in pods.items() if ready(one)}
        assert placed == {"tolerant": "big-0", "small": "small-0"}
        assert "untolerated taint" in condition(pods["intolerant"], "PodScheduled").message
        assert "Insufficient cpu" in condition(pods["large"], "PodScheduled").message
    finally:
        provide_nodes(cluster)
    assert {node.metadata.name for node in api.list_node().items} == {"amd-0", "amd-1"}


@pytest.mark.parametrize("count", [0, 251])
def test_a_count_beyond_the_address_range_is_refused(cluster: Running, count: int) -> None:
    with pytest.raises(SandboxError, match=f"--nodes {count}"):
        provide_nodes(cluster, "amd", count)
