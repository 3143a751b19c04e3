"""No RDMA at all."""

from components.infrastructures.profile import Fabric, InfrastructureProfile

PROFILE = InfrastructureProfile(
    title="None: TCP",
    about="Any cluster without RDMA: KV blocks travel over the pod network. What that costs is in [tuning](tuning.md).",
    fabric=Fabric.TCP,
    adapters="has no RDMA device",
    source="the guide's `gke` environment, which is the NVIDIA values without `rdma/ib`",
)
