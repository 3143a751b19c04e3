"""NVIDIA (CUDA)."""

from components.accelerators.profile import AcceleratorProfile, Image
from components.config.vocabulary import ReleaseName
from sizing.card import Card

_SYSTEMS = "ai-dynamo/aiconfigurator 095f58a, aic-core/src/aiconfigurator_core/systems"


def _card(
    name: str, memory: float, seen: str, system: str, rates: tuple[float, float, float, float, float], *labels: str
) -> Card:
    """A product: GiB and where they were seen; its file among NVIDIA's systems; GB/s, TFLOP/s, links."""
    bandwidth, bf16, eight, link, nic = rates
    return Card(
        name,
        memory,
        {"memory": seen, "bandwidth": f"{_SYSTEMS}/{system}", "flops": f"{_SYSTEMS}/{system}"},
        bandwidth,
        {"bf16": bf16, **({"fp8": eight, "int8": eight} if system != "a100_sxm.yaml" else {"int8": eight})}
        | ({"fp4": 9000} if name == "B200" else {}),
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
        (2039, 312, 624, 300, 200),
        "nvidia-a100-sxm4-80gb",
        "nvidia-a100-80gb",
    ),
    _card(
        "H100",
        79.18,
        "llm-d-incubation/llm-d-planner docs/empirical-vllm-memory-results.md",
        "h100_sxm.yaml",
        (3350, 989, 1978, 450, 400),
        "nvidia-h100-80gb-hbm3",
    ),
    _card(
        "H200",
        139.80,
        "start-up logs of vLLM on H200; faradawn/bench3 logs/vllm_server.log agrees",
        "h200_sxm.yaml",
        (4800, 989, 1978, 450, 400),
        "nvidia-h200",
    ),
    _card(
        "B200",
        178.35,
        "unslothai/unsloth issue 3411",
        "b200_sxm.yaml",
        (7700, 2250, 4500, 900, 400),
        "nvidia-b200",
    ),
    _card(
        "L40S",
        44.40,
        "start-up logs of vLLM on L40S",
        "l40s.yaml",
        (864, 362.05, 733, 32, 100),
        "nvidia-l40s",
    ),
)

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
    products={card.name: card for card in _CARDS},
    product_labels=("nvidia.com/gpu.product",),
)
