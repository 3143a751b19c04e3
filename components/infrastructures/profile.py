"""What distinguishes one infrastructure from another, each thing with its reason: the docs page is made of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from components.accelerators import Image
from components.config.vocabulary import Accelerator, Capability, Platform, ReleaseName


class Fabric(StrEnum):
    """What KV blocks travel over, and the NIXL backend that moves them."""

    RDMA = "RDMA, moved by UCX"
    EFA = "EFA, moved by libfabric"
    TCP = "TCP, moved by UCX"


@dataclass(frozen=True)
class Explained:
    """A value and why it is needed."""

    value: str
    why: str


@dataclass(frozen=True)
class Device:
    """The device that brings RDMA into a pod, with its secondary network."""

    resource: str
    count: int = 1
    """Devices per pod, or per GPU of a pod."""
    per_gpu: bool = False
    """Whether `count` is for each GPU: an adapter is given to one pod alone."""
    shared: bool = False
    """Whether every holder sees all adapters of the node: more than one is of no use."""
    network: str | None = None
    """Multus network that brings the interfaces, `[namespace/]name`."""
    one_attachment: bool = False
    """Whether one attachment of it brings them all; otherwise there is one for each device."""
    why: str = ""

    def amount(self, gpus: int) -> int:
        return self.count * gpus if self.per_gpu else self.count


@dataclass(frozen=True)
class HostFile:
    """A file or folder of the node that workers need."""

    host_path: str
    mount_path: str
    why: str
    type: str = ""
    """What must be there; empty: unchecked."""
    read_only: bool = True


@dataclass(frozen=True)
class WholeNode:
    """A node that one worker takes as a whole, and what it then requests unless its tier says otherwise."""

    gpus: int
    """GPUs of a node of this kind: all are requested, and by default used."""
    cpu: str
    memory: str
    shm_size: str
    why: str


@dataclass(frozen=True)
class InfrastructureProfile:
    """A kind of cluster as the workers meet it. Settings of the stack go over each of its fields."""

    title: str
    about: str
    """Where it is, and what it is there for."""
    fabric: Fabric
    adapters: str
    """How a pod gets its adapters; completes "it …"."""
    source: str
    platform: Platform | None = None
    """Managed Kubernetes that this infrastructure is limited to; None = any cluster."""
    needs: tuple[str, ...] = ()
    differences: tuple[str, ...] = ()
    """Where its values deliberately differ from the source, and why."""
    only: Mapping[Accelerator, str] = field(default_factory=dict)
    """GPU vendors that it has, with what they are there; empty: any."""
    otherwise: str = ""
    """What to set on other vendors' GPUs instead."""
    not_on_host_network: str = ""
    """Why host-network mode cannot work there; empty: it can."""
    device: Device | None = None
    annotations: Mapping[str, Explained] = field(default_factory=dict)
    env: Mapping[str, Explained] = field(default_factory=dict)
    ucx: Mapping[str, Explained] = field(default_factory=dict)
    """UCX variables that `serving.ucx` has a setting for, by their names."""
    kv_transfer: Mapping[str, tuple[Any, str]] = field(default_factory=dict)
    """Further fields of `--kv-transfer-config`, each with its reason."""
    capabilities: Mapping[Capability, str] = field(default_factory=dict)
    node_memory: str = ""
    """Why the nodes let every container lock memory; empty: not known."""
    run_as_root: str = ""
    """Why vLLM runs as root; empty: as the image's user."""
    host_files: tuple[HostFile, ...] = ()
    prelude: tuple[Explained, ...] = ()
    """Shell commands that vLLM's process begins with, for what only a script of the node knows."""
    node_selector: Mapping[str, Explained] = field(default_factory=dict)
    tolerates_gpu_taint: str = ""
    """Why workers tolerate a taint named after the GPU resource; empty: they do not."""
    unlimited_cpu: str = ""
    """Why workers have no CPU limit; empty: it equals the request."""
    whole_node: WholeNode | None = None
    """Set where a worker takes a node as a whole."""
    images: Mapping[ReleaseName, Image] = field(default_factory=dict)
    """vLLM images instead of the accelerator's; a release without one is refused. Empty: the accelerator's."""

    def has(self, accelerator: Accelerator) -> bool:
        return not self.only or accelerator in self.only

    def runs(self, release: ReleaseName) -> bool:
        """Whether there is an image of that release for its fabric."""
        return not self.images or release in self.images
