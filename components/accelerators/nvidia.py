"""NVIDIA (CUDA)."""

from components.accelerators.profile import AcceleratorProfile, Image, products
from components.config.vocabulary import Accelerator, ReleaseName

PROFILE = AcceleratorProfile(
    title="NVIDIA (CUDA)",
    source="the llm-d NVIDIA guide",
    gpu_resource="nvidia.com/gpu",
    images={  # USER and HOME: llm-d/llm-d v0.6.0, docker/Dockerfile.cuda; of 0.4, llm-d/llm-d#485
        # llm-d/llm-d d557f83e, …/components/images/gpu-vllm/release; vLLM's docker/Dockerfile has no USER
        ReleaseName.V0_10: Image("docker.io/vllm/vllm-openai:v0.30.0", user=0, home="/root"),
        ReleaseName.V0_9: Image("docker.io/vllm/vllm-openai:v0.26.0", user=0, home="/root"),
        ReleaseName.V0_6: Image("ghcr.io/llm-d/llm-d-cuda:v0.6.0", user=2000, home="/home/vllm"),
        ReleaseName.V0_4: Image("ghcr.io/llm-d/llm-d-cuda:v0.4.0", user=2000, home="/home/vllm"),
    },
    memory="64Gi",
    transports=("cuda", "cuda_copy", "cuda_ipc", "gdr_copy"),
    kv_buffer_devices=("cuda", "cpu"),
    visible_devices=("CUDA_VISIBLE_DEVICES",),
    products=products(Accelerator.NVIDIA),
    product_labels=("nvidia.com/gpu.product",),
    memory_labels=("nvidia.com/gpu.memory",),
)
