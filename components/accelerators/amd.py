"""AMD Instinct (ROCm). Source: the llm-d AMD guide, operators and host-network stacks."""

from components.accelerators.profile import AcceleratorProfile
from components.config.vocabulary import ReleaseName

AMD = AcceleratorProfile(
    gpu_resource="amd.com/gpu",
    images={
        ReleaseName.V0_6: "ghcr.io/llm-d/llm-d-rocm:v0.6.0",
        ReleaseName.V0_4: "ghcr.io/vcave/llm-d/llm-d-rocm:v0.4.5-debug",
    },
    # The first guide's 64Gi was raised to 256Gi in every later AMD version.
    memory="256Gi",
    transports=("rocm", "rocm_copy", "rocm_ipc", "rocm_gdr"),
    visible_devices=("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES"),
    # KV blocks of tiers with different tensor parallelism have the same layout only with this backend.
    mixed_tp_attention="ROCM_ATTN",
    image_user=None,
    image_notes={
        ReleaseName.V0_4: "release 0.4 on amd uses the guide's own image, a debug build of a fork "
        "(ghcr.io/vcave/…:v0.4.5-debug): --attention-backend is newer than the vLLM in upstream's 0.4 image. "
        'Prefer release "0.6", or set serving.prefill.image and serving.decode.image.'
    },
)
