"""AMD Instinct (ROCm)."""

from components.accelerators.profile import AcceleratorProfile, Image, products
from components.config.vocabulary import Accelerator, ReleaseName

PROFILE = AcceleratorProfile(
    title="AMD Instinct (ROCm)",
    source="the llm-d AMD guide, operators and host-network stacks",
    gpu_resource="amd.com/gpu",
    images={
        # llm-d/llm-d d557f83e, guides/recipes/modelserver/components/images/amd-vllm; vLLM's docker/Dockerfile.rocm has
        # no USER. The image that the P/D guide takes, llm-d-rocm:v0.9.0, crash-loops in P/D pods (llm-d/llm-d#2522).
        ReleaseName.V0_10: Image("docker.io/vllm/vllm-openai-rocm:v0.30.0", user=0, home="/root"),
        ReleaseName.V0_9: Image("docker.io/vllm/vllm-openai-rocm:v0.26.0", user=0, home="/root"),
        ReleaseName.V0_6: Image("ghcr.io/llm-d/llm-d-rocm:v0.6.0", user=0, home="/root"),
        ReleaseName.V0_4: Image(
            "ghcr.io/vcave/llm-d/llm-d-rocm:v0.4.5-debug",
            user=0,
            home="/root",
            note="release 0.4 on amd uses the guide's own image, a debug build of a fork "
            "(ghcr.io/vcave/…:v0.4.5-debug): --attention-backend is newer than the vLLM in upstream's 0.4 image. "
            'Prefer release "0.6", or set serving.prefill.image and serving.decode.image.',
        ),
    },
    # The first guide's 64Gi was raised to 256Gi in every later AMD version.
    memory="256Gi",
    transports=("rocm", "rocm_copy", "rocm_ipc", "rocm_gdr"),
    kv_buffer_devices=("cuda", "cpu"),
    visible_devices=("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES"),
    products=products(Accelerator.AMD),
    product_labels=("amd.com/gpu.product-name", "beta.amd.com/gpu.product-name"),
    memory_labels=("amd.com/gpu.vram", "beta.amd.com/gpu.vram"),
    # KV blocks of tiers with different tensor parallelism have the same layout only with this backend.
    mixed_tp_attention="ROCM_ATTN",
    # vllm/envs.py and vllm/platforms/rocm.py, vLLM 0.11 to 0.17
    pair_variables=(
        "VLLM_ROCM_USE_AITER",
        "VLLM_ROCM_USE_AITER_MHA",
        "VLLM_ROCM_USE_AITER_UNIFIED_ATTENTION",
    ),
)
