"""CoreWeave Kubernetes Service. Source: the guide's CoreWeave overlay."""

from components.config.vocabulary import Accelerator, Platform
from components.infrastructures.profile import Device, Fabric, InfrastructureProfile

PROFILE = InfrastructureProfile(
    title="CoreWeave (CKS)",
    platform=Platform.CKS,
    about="CoreWeave's GPU nodes with InfiniBand; device plugin and memory limits are there from the start.",
    fabric=Fabric.RDMA,
    adapters="asks for the shared device",
    source="the guide's CoreWeave overlay",
    differences=(
        "no node-local Hugging Face cache, which newer overlays mount: use `serving.model.claim`, or `hostPaths` and "
        "`env` of the tiers",
    ),
    only={Accelerator.NVIDIA: "CoreWeave has NVIDIA GPUs"},
    otherwise="set serving.infrastructure: rdma-shared",
    node_memory="CoreWeave's nodes have the limit from the start",
    device=Device(
        "rdma/ib", shared=True, why="CoreWeave's own name; one shows all InfiniBand adapters of the node to the pod"
    ),
)
