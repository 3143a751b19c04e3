"""Nodes and admission policies of a cluster description, as objects. The scheduler is real: it places the pods."""

import time
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from sandbox.cluster.api import Api, ApiError, connect
from sandbox.cluster.description import DEFAULT, MOST_NODES, POLICIES, Choice, NodeGroup
from sandbox.errors import SandboxError

CLUSTER_LABEL = "sandbox.llm-d-pd/cluster"
"""Label of nodes and admission policies: the name of their description."""

VENDOR_LABEL = "sandbox.llm-d-pd/vendor"
"""Label of nodes named after an accelerator. Nodes of the other accelerator stay beside them."""

_PATIENCE_SECONDS = 5.0

_SUBNET = {"amd": "10.244.254", "nvidia": "10.244.253"}
"""Subnets of nodes named after an accelerator; other groups have 10.244.128, 10.244.129, … in order."""


def provide(kubeconfig: Path, choice: Choice, accelerator: str, count: int | None = None) -> None:
    """Make the cluster's nodes those of a description, for a stack with this accelerator.

    `count` is the number of nodes of the first group; None = as many as exist, at first as many as the description
    has. Nodes of other descriptions are deleted with their pods. Raises `SandboxError` for a count that does not fit
    the address range.
    """
    if count is not None and not 1 <= count <= MOST_NODES:
        raise SandboxError(f"--nodes {count}: between 1 and {MOST_NODES} nodes can be simulated")
    with connect(kubeconfig) as api, ThreadPoolExecutor(4) as together:
        present = {node["metadata"]["name"]: node for node in api.get("/api/v1/nodes")["items"]}
        wanted = dict(_nodes(choice, accelerator, count, present))
        gone = [name for name, node in present.items() if _obsolete(node, wanted.get(name), choice.label, accelerator)]

        def apply(name: str) -> None:
            api.apply(f"/api/v1/nodes/{name}", {key: value for key, value in wanted[name].items() if key != "status"})
            apply_status(name)

        def apply_status(name: str) -> None:
            api.apply(f"/api/v1/nodes/{name}/status", wanted[name])

        list(together.map(lambda name: _remove(api, name), gone))
        list(together.map(apply, wanted))
        new = wanted.keys() - (present.keys() - gone)
        _await_ready(api, new)
        list(together.map(apply_status, new))  # kwok writes default sizes into a node that it saw without a status


def _await_ready(api: Api, names: Collection[str]) -> None:
    """Wait some seconds for new nodes: the scheduler tries a pod again only 1 s after it found no Ready node."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while (
        names
        and time.monotonic() < deadline
        and any(
            taint["key"] == "node.kubernetes.io/not-ready"
            for node in api.get("/api/v1/nodes")["items"]
            if node["metadata"]["name"] in names
            for taint in node["spec"].get("taints", ())
        )
    ):
        time.sleep(0.05)


def _nodes(
    choice: Choice, accelerator: str, count: int | None, present: dict[str, Any]
) -> Iterator[tuple[str, dict[str, Any]]]:
    for index, group in enumerate(choice.description.for_accelerator(accelerator)):
        own = _SUBNET.get(accelerator) if group.name == accelerator else None
        labels = {CLUSTER_LABEL: choice.label, **({VENDOR_LABEL: accelerator} if own else {})}
        subnet = own or f"10.244.{128 + index}"
        number = group.count
        if index == 0:
            there = [name for name, node in present.items() if _of(node, group) and _cluster(node) == choice.label]
            number = count or len(there) or group.count
        for place in range(number):
            yield f"{group.name}-{place}", _node(group, f"{group.name}-{place}", labels, f"{subnet}.{place + 1}")


def _of(node: dict[str, Any], group: NodeGroup) -> bool:
    return bool(node["metadata"]["name"].rpartition("-")[0] == group.name)


def _cluster(node: dict[str, Any]) -> str:
    return str(node["metadata"]["labels"].get(CLUSTER_LABEL, DEFAULT))


def _obsolete(node: dict[str, Any], wanted: dict[str, Any] | None, cluster: str, accelerator: str) -> bool:
    """Whether a node is deleted: it is not wanted, or a node of another cluster has its name."""
    if _cluster(node) != cluster:
        return True
    if wanted is None:
        return bool(node["metadata"]["labels"].get(VENDOR_LABEL, accelerator) == accelerator)
    return bool(node["status"].get("addresses") != wanted["status"]["addresses"])


def _remove(api: Api, name: str) -> None:
    """Delete a node and its pods. The garbage collector would delete the pods only after a minute."""
    api.delete(f"/api/v1/nodes/{name}")
    for pod in api.get("/api/v1/pods", fieldSelector=f"spec.nodeName={name}")["items"]:
        metadata = pod["metadata"]
        api.delete(f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}", gracePeriodSeconds="0")


def _node(group: NodeGroup, name: str, labels: dict[str, str], address: str) -> dict[str, Any]:
    gpus = {group.gpu_resource: str(group.gpus)} if group.gpus else {}
    resources = {
        "cpu": group.cpu,
        "memory": group.memory,
        "ephemeral-storage": group.disk,
        "pods": str(group.pods),
        **gpus,
        **{resource: str(number) for resource, number in group.rdma.items()},
    }
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {**group.labels, "kubernetes.io/hostname": name, **labels}},
        **({"spec": {"taints": [taint.model_dump() for taint in group.taints]}} if group.taints else {}),
        "status": {
            "capacity": resources,
            "allocatable": resources,
            "addresses": [{"type": "InternalIP", "address": address}],
        },
    }


def provide_policies(kubeconfig: Path, choice: Choice) -> None:
    """Make the cluster's admission policies those of a description; delete those of an earlier one.

    Raises `SandboxError` with the API server's message for a policy that it refuses.
    """
    wanted = {policy.path: policy.manifest for policy in choice.description.admission_policies}
    with connect(kubeconfig) as api:
        for collection in POLICIES.values():
            for one in api.get(collection, labelSelector=CLUSTER_LABEL)["items"]:
                path = f"{collection}/{one['metadata']['name']}"
                if path not in wanted:
                    api.delete(path)
        for path, manifest in wanted.items():
            metadata = manifest["metadata"]
            labels = {**(metadata.get("labels") or {}), CLUSTER_LABEL: choice.label}
            try:
                api.apply(path, {**manifest, "metadata": {**metadata, "labels": labels}})
            except ApiError as error:
                raise SandboxError(
                    f"CLUSTER={choice.name}: the API server refuses the admission policy {metadata['name']}: {error}"
                ) from None
