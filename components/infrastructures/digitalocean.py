"""DigitalOcean Kubernetes. Source: the guide's DigitalOcean values (side branch)."""

from components.config.vocabulary import Platform
from components.infrastructures.profile import Fabric, InfrastructureProfile

PROFILE = InfrastructureProfile(
    title="DigitalOcean Kubernetes (DOKS)",
    platform=Platform.DOKS,
    about="DOKS with GPU Droplets: no RDMA, and a taint that keeps other pods from the GPUs.",
    fabric=Fabric.TCP,
    adapters="has no RDMA device",
    source="the guide's DigitalOcean values (side branch f6ec068)",
    differences=(
        "1 x TP1 for each tier, cpu 4, memory 16Gi, shm 4Gi, `maxModelLen` 8192 and `--gpu-memory-utilization 0.85` "
        "are for the guide's 3B model on one-GPU Droplets: settings of the tiers, with `serving.gpusPerNode`",
        "requests go to the InferencePool; the guide's route sent them to the prefill pods, past the picker",
    ),
    tolerates_gpu_taint="DOKS taints GPU nodes with the name of their GPU resource",
)
