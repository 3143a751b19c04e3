"""AWS with the Elastic Fabric Adapter. Source: the guide's `aws` overlay."""

from components.accelerators import Image
from components.config.vocabulary import Accelerator, Capability, Platform, ReleaseName
from components.infrastructures.profile import Device, Explained, Fabric, InfrastructureProfile

PROFILE = InfrastructureProfile(
    title="AWS (EKS) with EFA",
    platform=Platform.EKS,
    about="EKS with p5en.48xlarge nodes: eight H200 GPUs and sixteen Elastic Fabric Adapters.",
    fabric=Fabric.EFA,
    adapters="asks for EFA devices",
    source="the guide's `aws` overlay",
    needs=(
        "the EFA device plugin, offering `vpc.amazonaws.com/efa`",
        "all GPU nodes in one Availability Zone and subnet, and in a security group that admits itself",
    ),
    differences=(
        "no affinity to a zone, which EFA does not leave: place the nodes in one, or say it in the tiers' `affinity`",
    ),
    only={Accelerator.NVIDIA: "EFA instances have NVIDIA GPUs"},
    otherwise="use the infrastructure that has these GPUs",
    device=Device(
        "vpc.amazonaws.com/efa",
        count=2,
        per_gpu=True,
        why="a p5en.48xlarge has sixteen adapters, two beside each of its eight GPUs: 2 for TP1, 8 for TP4. Other "
        "instances: `serving.rdma.count` and the `nodeSelector` of the tiers",
    ),
    kv_transfer={
        "kv_connector_extra_config": (
            {"backends": ["LIBFABRIC"]},
            "NIXL's libfabric backend: UCX reaches EFA only with copies through the host",
        ),
    },
    capabilities={Capability.IPC_LOCK: "buffers are registered with the adapters, so they are locked"},
    node_selector={
        "node.kubernetes.io/instance-type": Explained(
            "p5en.48xlarge", "two adapters for each GPU are true of this one"
        ),
    },
    unlimited_cpu="libfabric's progress threads come on top of vLLM's; throttled ones slow every transfer",
    images={
        ReleaseName.V0_9: Image(
            "public.ecr.aws/deep-learning-containers/vllm:0.26.0-gpu-py312-cu130-ubuntu22.04-ec2",
            user=0,
            home="/root",
            why="AWS's own image of vLLM with libfabric, which the guide of 0.9 names "
            "(guides/recipes/modelserver/components/images/gpu-vllm/aws-efa/release); the one of 0.10 is not known",
        ),
        ReleaseName.V0_6: Image(
            "ghcr.io/llm-d/llm-d-aws:v0.6.0",
            user=2000,  # llm-d/llm-d v0.6.0, docker/Dockerfile.cuda, from which it is built
            home="/home/vllm",
            why="the CUDA image with AWS's libfabric, which NIXL's backend is linked against; release 0.4 has none",
        ),
    },
)
