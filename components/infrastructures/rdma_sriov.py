"""Any cluster with one SR-IOV virtual function for each GPU, attached by Multus."""

from components.config.vocabulary import Capability
from components.infrastructures.profile import Device, Fabric, InfrastructureProfile

PROFILE = InfrastructureProfile(
    title="SR-IOV virtual functions with Multus",
    about="A cluster with adapters cut into virtual functions, one for each GPU. The SR-IOV device plugin "
    "hands them out and Multus moves them into the pod.",
    fabric=Fabric.RDMA,
    adapters="asks for virtual functions, and as many attachments of their network",
    source="the OCI stack of the guide, without what is Oracle's own",
    needs=(
        "the SR-IOV network operator with a policy for the RDMA adapters, and Multus",
        "a NetworkAttachmentDefinition; another than `default/sriov-rdma-vf` is said in `serving.rdma.network`, its "
        "resource in `serving.rdma.resource`",
    ),
    device=Device(
        "nvidia.com/sriov-rdma-vf",
        per_gpu=True,
        network="default/sriov-rdma-vf",
        why="a function belongs to one pod: as many as the pod has GPUs, and one attachment for each, so that resource "
        "and annotation always move together",
    ),
    capabilities={
        Capability.IPC_LOCK: "GPU blocks are pinned; without it, registering them fails or UCX falls back to TCP",
    },
)
