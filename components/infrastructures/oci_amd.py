"""Oracle Cloud with AMD GPUs. Source: the guide's `oci_amd` values (2026-04-10)."""

from components.config.vocabulary import Accelerator, Capability, Platform
from components.infrastructures.profile import Device, Explained, Fabric, HostFile, InfrastructureProfile

PROFILE = InfrastructureProfile(
    title="Oracle Cloud (OKE) with AMD GPUs",
    platform=Platform.OKE,
    about="OKE's BM.GPU.MI300X.8: eight GPUs, and one RoCE virtual function for each.",
    fabric=Fabric.RDMA,
    adapters="asks for virtual functions, and as many attachments of their network",
    source="the guide's `oci_amd` values (values_oci_amd.yaml)",
    needs=(
        "the NVIDIA network operator with SR-IOV: `nvidia.com/sriov-rdma-vf` on the nodes, and its network "
        "`sriov-rdma-vf` in the namespace `default`",
    ),
    differences=(
        "`UCX_TLS` has `rocm` where the guide has `cuda_copy`, which a ROCm build of UCX does not know: without a ROCm "
        "transport it would take GPU memory for the host's",
        "`/dev/infiniband` is mounted read-only as a folder; the devices in it stay writable",
    ),
    only={Accelerator.AMD: "BM.GPU.MI300X.8"},
    otherwise="set serving.infrastructure: rdma-sriov",
    device=Device(
        "nvidia.com/sriov-rdma-vf",
        per_gpu=True,
        network="default/sriov-rdma-vf",
        why="one function for each GPU of the pod, and one attachment for each: both follow `tensorParallel`, because "
        "a pod with too few never gets its interfaces",
    ),
    ucx={
        "UCX_TLS": Explained(
            "rc,ud,sm,self,rocm", "RDMA only: without `tcp` a broken fabric fails loudly, instead of a silent fallback"
        ),
        "UCX_IB_GID_INDEX": Explained(
            "3", "RoCE v2 on OCI; with a wrong index RDMA does not come up. `show_gids` in the pod lists them"
        ),
    },
    capabilities={Capability.IPC_LOCK: "mandatory on OCI: RDMA memory is locked, and the nodes' limit is small"},
    host_files=(
        HostFile(
            "/dev/infiniband", "/dev/infiniband", "the verbs devices, which no plugin mounts there", type="Directory"
        ),
    ),
)
