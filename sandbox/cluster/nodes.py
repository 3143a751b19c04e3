"""Simulated GPU nodes. The scheduler is real: what it places or refuses here, it places or refuses there."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox import stack_file
from sandbox.cluster.api import Api, connect
from sandbox.errors import SandboxError
from sandbox.stack_file import mapping

GPU_RESOURCE = {"amd": "amd.com/gpu", "nvidia": "nvidia.com/gpu"}
_VENDOR_LABEL = "sandbox.llm-d-pd/vendor"
_SUBNET = {"amd": "10.244.254", "nvidia": "10.244.253"}
_SHARED_DEVICES = "1k"
"""How often a shared RDMA device can be requested on one node: the device plugin's usual setting."""

DEVICES = {
    "rdma-shared": "rdma/ib",
    "rdma-sriov": "nvidia.com/sriov-rdma-vf",
    "openshift-roce": "rdma/roce_gdr",
    "coreweave": "rdma/ib",
    "aks": "rdma/ib",
    "oci-amd": "nvidia.com/sriov-rdma-vf",
    "aws-efa": "vpc.amazonaws.com/efa",
}
"""RDMA resource that nodes of an infrastructure offer; those that are not here offer none."""

LABELS = {"aws-efa": {"node.kubernetes.io/instance-type": "p5en.48xlarge"}}
"""Labels that nodes of an infrastructure carry, and workers ask for."""

_MANY = {"cpu": "256", "memory": "3Ti", "ephemeral-storage": "28Ti", "pods": "110"}  # an 8-GPU server's usual size
MOST = 250


@dataclass(frozen=True)
class Fleet:
    """The nodes of one vendor: the GPUs of each, the RDMA resources that they offer, labels, and their number.

    Without a number there are as many as there were, two at first.
    """

    vendor: str
    count: int | None = None
    gpus: int = 8
    rdma: frozenset[str] = frozenset()
    labels: frozenset[tuple[str, str]] = frozenset()


def fleet_of(file: Path, count: int | None = None) -> Fleet | None:
    """Return the nodes that a stack file calls for, None if it names no vendor we know.

    Raises `SandboxError` for a count that no address range holds or a file that isn't YAML.
    """
    if count is not None and not 1 <= count <= MOST:
        raise SandboxError(f"--nodes {count}: between 1 and {MOST} nodes can be simulated")
    serving = stack_file.serving(file)
    vendor, gpus = serving.get("accelerator"), serving.get("gpusPerNode", 8)
    if not isinstance(vendor, str) or vendor not in GPU_RESOURCE:
        return None
    scopes = (serving, mapping(serving.get("prefill")), mapping(serving.get("decode")))
    infrastructure = str(serving.get("infrastructure"))
    rdma = [DEVICES.get(infrastructure), *(mapping(scope.get("rdma")).get("resource") for scope in scopes)]
    return Fleet(
        vendor,
        count,
        gpus if isinstance(gpus, int) else 8,
        frozenset(one for one in rdma if isinstance(one, str)),
        frozenset(LABELS.get(infrastructure, {}).items()),
    )


def provide(kubeconfig: Path, fleet: Fleet) -> None:
    """Make the cluster's nodes of this vendor exactly these; other vendors' nodes stay as they are."""
    with connect(kubeconfig) as api, ThreadPoolExecutor(4) as together:
        present = api.get("/api/v1/nodes", labelSelector=f"{_VENDOR_LABEL}={fleet.vendor}")["items"]
        count = fleet.count or len(present) or 2
        wanted = {f"{fleet.vendor}-{index}": _node(fleet, index) for index in range(count)}
        surplus = {node["metadata"]["name"] for node in present} - wanted.keys()

        def apply(name: str) -> None:
            path = f"/api/v1/nodes/{name}"
            api.apply(path, {key: value for key, value in wanted[name].items() if key != "status"})
            api.apply(f"{path}/status", wanted[name])

        list(together.map(apply, wanted))
        list(together.map(lambda name: _remove(api, name), surplus))


def _remove(api: Api, name: str) -> None:
    """Delete a node and its pods: nobody else would end them until the garbage collector comes, a minute later."""
    api.delete(f"/api/v1/nodes/{name}")
    for pod in api.get("/api/v1/pods", fieldSelector=f"spec.nodeName={name}")["items"]:
        metadata = pod["metadata"]
        api.delete(f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}", gracePeriodSeconds="0")


def _node(fleet: Fleet, index: int) -> dict[str, Any]:
    name = f"{fleet.vendor}-{index}"
    resources = _MANY | {GPU_RESOURCE[fleet.vendor]: str(fleet.gpus)} | dict.fromkeys(fleet.rdma, _SHARED_DEVICES)
    labels = {"kubernetes.io/hostname": name, _VENDOR_LABEL: fleet.vendor, **dict(fleet.labels)}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels},
        "status": {
            "capacity": resources,
            "allocatable": resources,
            "addresses": [{"type": "InternalIP", "address": f"{_SUBNET[fleet.vendor]}.{index + 1}"}],
        },
    }
