"""NVIDIA (CUDA). Source: the llm-d NVIDIA guide."""

from components.accelerators.profile import AcceleratorProfile
from components.config.vocabulary import ReleaseName

NVIDIA = AcceleratorProfile(
    gpu_resource="nvidia.com/gpu",
    images={
        ReleaseName.V0_6: "ghcr.io/llm-d/llm-d-cuda:v0.6.0",
        ReleaseName.V0_4: "ghcr.io/llm-d/llm-d-cuda:v0.4.0",
    },
    memory="64Gi",
    transports=("cuda", "cuda_copy", "cuda_ipc", "gdr_copy"),
    visible_devices=("CUDA_VISIBLE_DEVICES",),
    mixed_tp_attention=None,
    image_user=2000,  # USER 2000 (llm-d/llm-d v0.6.0, docker/Dockerfile.cuda)
    image_notes={},
)
