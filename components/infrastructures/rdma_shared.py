"""Any cluster with a shared RDMA device: InfiniBand or RoCE. Source: the guides' default values."""

from components.infrastructures.profile import Device, Fabric, InfrastructureProfile

PROFILE = InfrastructureProfile(
    title="Shared RDMA device",
    about="A cluster that you run yourself, or TensorWave's. The network operator offers every adapter of a node, "
    "InfiniBand or RoCE, to many pods at once.",
    fabric=Fabric.RDMA,
    adapters="asks for the shared device",
    source="the NVIDIA and AMD guides (operators) and their TensorWave overlay",
    needs=(
        "the RDMA shared device plugin (NVIDIA or AMD network operator), which offers `rdma/ib`; if it offers "
        "another name, set `serving.rdma.resource`",
        "on nvidia: a locked-memory limit that admits pinned GPU blocks (containerd with LimitMEMLOCK=infinity), or "
        "`serving.security.lockedMemory: capability`, with which vLLM runs as root; amd has IPC_LOCK by default",
    ),
    device=Device(
        "rdma/ib",
        shared=True,
        why="the plugin's usual name in the guides; one, whatever the tensor parallelism, shows all adapters",
    ),
)
