"""Google Kubernetes Engine with RoCE. Source: the guide's `gke_pd_rdma` values (2026-02-01 on)."""

from components.config.vocabulary import Accelerator, Platform
from components.infrastructures.profile import Explained, Fabric, HostFile, InfrastructureProfile, WholeNode

_RAILS = ",\n".join(f' {{"interfaceName":"eth{rail + 2}","network":"rdma-{rail}"}}' for rail in range(8))

PROFILE = InfrastructureProfile(
    title="Google Kubernetes Engine (GKE) with RoCE",
    platform=Platform.GKE,
    about="GKE with a3-ultragpu-8g nodes: eight H200 GPUs, and eight RoCE adapters on networks of their own.",
    fabric=Fabric.RDMA,
    adapters="names the networks that GKE attaches, in annotations",
    source="the guide's `gke_pd_rdma` values (values_gke_rdma.yaml)",
    needs=(
        "multi-networking, and the Networks `rdma-0` to `rdma-7` with their GKENetworkParamSets",
        "Google's DaemonSet that installs gIB on the nodes",
    ),
    differences=(
        "tensor parallelism is the node's eight GPUs unless the tiers say otherwise; the guide's newest values use "
        "four of the eight that they request",
        "libcuda is looked for where GKE mounts it, not in the whole file system",
        "probes, vLLM's metrics port and monitors are as everywhere; the guide has none there",
        "no resource claims (DRA), which the guide's kustomize version uses instead of annotations",
    ),
    only={Accelerator.NVIDIA: "a3-ultragpu-8g"},
    otherwise="use the infrastructure that has these GPUs",
    not_on_host_network="GKE attaches networks only to pods that are not on the node's own",
    annotations={
        "networking.gke.io/default-interface": Explained(
            "eth0", "requests and NIXL's side channel stay on the pod network"
        ),
        "networking.gke.io/interfaces": Explained(
            f'[\n {{"interfaceName":"eth0","network":"default"}},\n{_RAILS}\n]\n',
            "all eight adapters of the node, each on its own network: an adapter can be in one pod only",
        ),
    },
    host_files=(
        HostFile(
            "/home/kubernetes/bin/nvidia", "/usr/local/nvidia", "driver libraries, which GKE keeps outside of images"
        ),
        HostFile("/home/kubernetes/bin/gib", "/usr/local/gib", "gIB, Google's NCCL plugin, and its settings"),
    ),
    prelude=(
        Explained(
            "source /usr/local/gib/scripts/set_nccl_env.sh",
            "NCCL's variables for this machine type, from the node itself: gIB refuses to start with others",
        ),
        Explained(
            'export LD_LIBRARY_PATH="/usr/local/nvidia/lib64${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"',
            "where libcuda.so.1 is on GKE",
        ),
    ),
    whole_node=WholeNode(
        gpus=8,
        cpu="128",
        memory="1Ti",
        shm_size="250Gi",
        why="the adapters of a node are attached to one pod, so a second one could start there only without RDMA",
    ),
)
