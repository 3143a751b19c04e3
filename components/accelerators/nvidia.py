"""NVIDIA (CUDA)."""

from components.accelerators.profile import AcceleratorProfile, Image
from components.config.vocabulary import ReleaseName

PROFILE = AcceleratorProfile(
    title="NVIDIA (CUDA)",
    source="the llm-d NVIDIA guide",
    gpu_resource="nvidia.com/gpu",
    images={  # USER and HOME: llm-d/llm-d v0.6.0, docker/Dockerfile.cuda; of 0.4, llm-d/llm-d#485
        ReleaseName.V0_6: Image("ghcr.io/llm-d/llm-d-cuda:v0.6.0", user=2000, home="/home/vllm"),
        ReleaseName.V0_4: Image("ghcr.io/llm-d/llm-d-cuda:v0.4.0", user=2000, home="/home/vllm"),
    },
    memory="64Gi",
    transports=("cuda", "cuda_copy", "cuda_ipc", "gdr_copy"),
    kv_buffer_devices=("cuda", "cpu"),
    visible_devices=("CUDA_VISIBLE_DEVICES",),
    # Start-up logs and out-of-memory messages of vLLM in public issues; the smaller of two where they differ.
    products={"A100 80GB": 79.25, "H100": 79.18, "H200": 139.80, "B200": 178.35, "L40S": 44.40},
)
