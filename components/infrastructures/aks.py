"""Azure Kubernetes Service with InfiniBand. Source: the guide's `aks` environment."""

from components.config.vocabulary import Platform
from components.infrastructures.profile import Device, Explained, Fabric, InfrastructureProfile

PROFILE = InfrastructureProfile(
    title="Azure Kubernetes Service (AKS)",
    platform=Platform.AKS,
    about="AKS with ND-series nodes; the network operator shares their InfiniBand adapters.",
    fabric=Fabric.RDMA,
    adapters="asks for the shared device",
    source="the guide's `aks` environment",
    needs=(
        "the network operator's shared device plugin, offering `rdma/ib`",
        "containerd's NRI plugin for ulimits on the GPU nodes, which reads the annotation above",
    ),
    node_memory="the annotation above raises the limit of vLLM's container",
    device=Device("rdma/ib", shared=True, why="a shared device: always one per pod, whatever its tensor parallelism"),
    annotations={
        "ulimits.nri.containerd.io/container.vllm": Explained(
            "- {type: memlock, hard: 17179869184, soft: 17179869184}\n",
            "AKS limits locked memory, and its containerd is not the user's to configure; the NRI plugin raises the "
            "limit to 16 GiB for this container, so that GPU blocks can be pinned without a capability",
        ),
    },
)
