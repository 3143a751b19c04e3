import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client, config

from sandbox.cluster import nodes
from sandbox.errors import SandboxError
from tests.sandbox.running import Running

VENDOR = {"sandbox.llm-d-pd/vendor": "amd"}


@pytest.fixture(scope="module")
def api(cluster: Running) -> Any:
    nodes.provide(cluster.host_kubeconfig, nodes.Fleet("amd", count=2, rdma=frozenset({"rdma/ib"})))
    return client.CoreV1Api(config.new_client_from_config(str(cluster.host_kubeconfig)))


@pytest.fixture
def namespace(api: Any) -> Iterator[str]:
    name = api.create_namespace({"metadata": {"generateName": "nodes-"}}).metadata.name
    deadline = time.monotonic() + 10  # a pod needs the account that a controller makes in every namespace
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


def test_gpus_are_placed_and_refused_by_the_real_scheduler(api: Any, namespace: str) -> None:
    for number in range(3):
        pod(api, namespace, f"p{number}", {"amd.com/gpu": "8"})
    pods = eventually(
        lambda: api.list_namespaced_pod(namespace).items,
        lambda pods: sum(map(ready, pods)) == 2 and any(map(refused, pods)),
    )
    placed = [one for one in pods if ready(one)]
    assert {one.spec.node_name for one in placed} == {"amd-0", "amd-1"}
    assert all(one.status.pod_ip.startswith("10.244.") for one in placed)
    [waiting] = [one for one in pods if not ready(one)]
    assert "Insufficient amd.com/gpu" in condition(waiting, "PodScheduled").message


def test_rdma_is_shared_by_many_pods_of_a_node(api: Any, namespace: str) -> None:
    for number in range(3):
        pod(
            api,
            namespace,
            f"p{number}",
            {"rdma/ib": "1", "amd.com/gpu": "1"},
            nodeSelector={"kubernetes.io/hostname": "amd-0"},
        )
    pods = eventually(lambda: api.list_namespaced_pod(namespace).items, lambda pods: all(map(ready, pods)))
    assert [one.spec.node_name for one in pods] == ["amd-0"] * 3


def test_host_network_pods_have_the_nodes_address_and_fight_for_its_ports(api: Any, namespace: str) -> None:
    for number in range(3):
        ports = [{"containerPort": 8000, "hostPort": 8000}]
        pod(api, namespace, f"p{number}", {}, hostNetwork=True, ports=ports, nodeSelector=VENDOR)
    pods = eventually(
        lambda: api.list_namespaced_pod(namespace).items,
        lambda pods: sum(map(ready, pods)) == 2 and any(map(refused, pods)),
    )
    assert {one.status.pod_ip for one in pods if ready(one)} == {"10.244.254.1", "10.244.254.2"}
    [waiting] = [one for one in pods if not ready(one)]
    assert "free ports" in condition(waiting, "PodScheduled").message


def test_both_vendors_live_in_one_sandbox_and_a_fleet_becomes_what_it_is_told(cluster: Running, api: Any) -> None:
    def named(vendor: str) -> dict[str, Any]:
        found = api.list_node(label_selector=f"sandbox.llm-d-pd/vendor={vendor}").items
        return {node.metadata.name: node.status.allocatable for node in found}

    nodes.provide(cluster.host_kubeconfig, nodes.Fleet("nvidia", count=3, gpus=4, rdma=frozenset({"rdma/old"})))
    assert set(named("nvidia")) == {"nvidia-0", "nvidia-1", "nvidia-2"}
    nodes.provide(cluster.host_kubeconfig, nodes.Fleet("nvidia", gpus=2))
    assert set(named("nvidia")) == {"nvidia-0", "nvidia-1", "nvidia-2"}  # as many as there were
    nodes.provide(cluster.host_kubeconfig, nodes.Fleet("nvidia", count=1, gpus=8))
    assert set(named("nvidia")) == {"nvidia-0"}
    assert set(named("amd")) == {"amd-0", "amd-1"}
    assert named("nvidia")["nvidia-0"]["nvidia.com/gpu"] == "8"
    assert "rdma/old" not in named("nvidia")["nvidia-0"]
    kinds = eventually(
        lambda: [one.type for one in api.read_node("nvidia-0").status.conditions or [] if one.status == "True"], bool
    )
    assert kinds == ["Ready"]


def test_pods_go_with_a_node_that_is_taken_away(cluster: Running, api: Any, namespace: str) -> None:
    nodes.provide(cluster.host_kubeconfig, nodes.Fleet("nvidia", count=2))
    pod(api, namespace, "p", {"nvidia.com/gpu": "8"}, nodeSelector={"kubernetes.io/hostname": "nvidia-1"})
    assert eventually(lambda: api.list_namespaced_pod(namespace).items, lambda pods: all(map(ready, pods)))
    nodes.provide(cluster.host_kubeconfig, nodes.Fleet("nvidia", count=1))
    assert api.list_namespaced_pod(namespace).items == []


def stack(folder: Path, serving: object) -> Path:
    file = folder / "Pulumi.x.yaml"
    file.write_text(json.dumps({"config": {"llm-d-pd:serving": serving}}))
    return file


def test_the_fleet_is_read_from_the_stack_file(tmp_path: Path) -> None:
    serving = {
        "accelerator": "nvidia",
        "gpusPerNode": 4,
        "rdma": {"resource": "rdma/a"},
        "decode": {"rdma": {"resource": "rdma/b"}},
        "prefill": {"rdma": None},
    }
    wanted = nodes.Fleet("nvidia", count=3, gpus=4, rdma=frozenset({"rdma/a", "rdma/b"}))
    assert nodes.fleet_of(stack(tmp_path, serving), 3) == wanted
    assert nodes.fleet_of(stack(tmp_path, {"accelerator": "amd"})) == nodes.Fleet("amd", count=None, gpus=8)
    cloud = nodes.fleet_of(stack(tmp_path, {"accelerator": "nvidia", "infrastructure": "aws-efa"}))
    assert cloud is not None
    assert cloud.rdma == {"vpc.amazonaws.com/efa"}
    assert dict(cloud.labels) == {"node.kubernetes.io/instance-type": "p5en.48xlarge"}


@pytest.mark.parametrize("serving", [None, "text", {}, {"accelerator": "tpu"}, {"accelerator": ["amd"]}])
def test_wrong_settings_are_left_for_the_program_to_explain(tmp_path: Path, serving: object) -> None:
    assert nodes.fleet_of(stack(tmp_path, serving)) is None


def test_what_no_address_range_holds_or_no_yaml_is_refused(tmp_path: Path) -> None:
    for count in (0, 251):
        with pytest.raises(SandboxError, match=f"--nodes {count}"):
            nodes.fleet_of(stack(tmp_path, {"accelerator": "amd"}), count)
    broken = tmp_path / "Pulumi.y.yaml"
    broken.write_text("config: [")
    with pytest.raises(SandboxError, match=r"Pulumi\.y\.yaml"):
        nodes.fleet_of(broken)
