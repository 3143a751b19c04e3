"""NVIDIA (CUDA)."""

from components.accelerators.profile import AcceleratorProfile, Image
from components.config.vocabulary import ReleaseName
from sizing.card import Card

_SYSTEMS = "ai-dynamo/aiconfigurator 095f58a, aic-core/src/aiconfigurator_core/systems"


def _card(
    name: str,
    memory: float,
    seen: str,
    system: str,
    rates: tuple[float, float, float],
    *labels: str,
    flops: dict[str, float],
) -> Card:
    """A product: GiB and where they were seen; its file among NVIDIA's systems; GB/s of memory and links; TFLOP/s."""
    bandwidth, link, nic = rates
    return Card(
        name,
        memory,
        {"memory": seen, "bandwidth": f"{_SYSTEMS}/{system}", "flops": f"{_SYSTEMS}/{system}"},
        bandwidth,
        flops,
        link,
        nic,
        labels,
    )


_CARDS = (
    _card(
        "A100",
        79.25,
        "Isk4R1oT/ridgepoint calibration/CALIBRATION.md",
        "a100_sxm.yaml",
        (2039, 300, 200),
        "nvidia-a100-sxm4-80gb",
        "nvidia-a100-80gb",
        flops={"bf16": 312, "int8": 624},
    ),
    _card(
        "H100",
        79.18,
        "llm-d-incubation/llm-d-planner docs/empirical-vllm-memory-results.md",
        "h100_sxm.yaml",
        (3350, 450, 400),
        "nvidia-h100-80gb-hbm3",
        flops={"bf16": 989, "fp8": 1978, "int8": 1978},
    ),
    _card(
        "H200",
        139.80,
        "start-up logs of vLLM on H200; faradawn/bench3 logs/vllm_server.log agrees",
        "h200_sxm.yaml",
        (4800, 450, 400),
        "nvidia-h200",
        flops={"bf16": 989, "fp8": 1978, "int8": 1978},
    ),
    _card(
        "B200",
        178.35,
        "unslothai/unsloth issue 3411",
        "b200_sxm.yaml",
        (7700, 900, 400),
        "nvidia-b200",
        flops={"bf16": 2250, "fp8": 4500, "int8": 4500, "fp4": 9000},
    ),
    _card(
        "L40S",
        44.40,
        "start-up logs of vLLM on L40S",
        "l40s.yaml",
        (864, 32, 100),
        "nvidia-l40s",
        flops={"bf16": 362.05, "fp8": 733, "int8": 733},
    ),
)

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
    products={card.name: card for card in _CARDS},
    product_labels=("nvidia.com/gpu.product",),
    memory_labels=("nvidia.com/gpu.memory",),
)
