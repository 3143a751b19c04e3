"""OpenShift with RoCE and GPUDirect. Source: the guide's `ocp` values (2026-03-27)."""

from components.config.vocabulary import Accelerator, Capability, Platform
from components.infrastructures.profile import Device, Explained, Fabric, InfrastructureProfile

PROFILE = InfrastructureProfile(
    title="OpenShift, RoCE with GPUDirect",
    platform=Platform.OPENSHIFT,
    about="OpenShift with the NVIDIA network operator's `rdma/roce_gdr` and the multi-NIC CNI.",
    fabric=Fabric.RDMA,
    adapters="asks for one `rdma/roce_gdr` for each GPU, and for one attachment that brings all interfaces",
    source="the guide's `ocp` values (values_ocp_rdma.yaml)",
    needs=(
        "the multi-NIC CNI, with its NetworkAttachmentDefinition `multi-nic-compute` in the stack's namespace; "
        "another one is said in `serving.rdma.network`",
        "a security context constraint that admits root and these capabilities for the workers' ServiceAccount: "
        "`oc adm policy add-scc-to-user privileged -z ms-pd-llm-d-modelservice -n llm-d-pd`",
    ),
    differences=(
        "`UCX_TLS` begins with `rc`: the guide's `sm,cuda_ipc,cuda_copy,tcp` has no RDMA transport, so that pods hold "
        "RDMA devices and send KV blocks over TCP",
        "no `NCCL_EXCLUDE_IB_HCA` and no init container that computes variables: both name the adapters of one "
        "cluster. Set yours in the tiers' `env` or `serving.ucx.netDevices`",
        "NIXL's port is 5600 (`serving.ports.nixl`), not 5557, which vLLM's KV events use",
        "no `VLLM_BLOCK_SIZE`, `VLLM_MAX_MODEL_LEN`, `VLLM_INFERENCE_PORT`, `VLLM_METRICS_PORT`, `POD_IP`: the guide's "
        "shell command reads them, vLLM does not",
        "the workers' ServiceAccount stays the stack's own instead of `default`, and readiness asks vLLM: the guide's "
        "probes ask port 8000, which is the sidecar on decode",
        "TP2, cpu 32, memory 128Gi and `--no-enable-prefix-caching` are for the guide's model: settings of the tiers",
    ),
    only={Accelerator.NVIDIA: "values and transports are for CUDA"},
    otherwise="set serving.infrastructure: rdma-sriov, with the cluster's serving.rdma.resource and .network",
    device=Device(
        "rdma/roce_gdr",
        per_gpu=True,
        network="multi-nic-compute",
        one_attachment=True,
        why="each GPU has its own adapter; the multi-NIC CNI brings all interfaces with one attachment",
    ),
    ucx={
        "UCX_TLS": Explained(
            "rc,sm,cuda_ipc,cuda_copy,tcp",
            "RDMA between pods, shared memory and CUDA within; TCP to set up and to fall back",
        ),
    },
    env={
        "UCX_SOCKADDR_TLS_PRIORITY": Explained(
            "tcp", "connections are set up by address over TCP, as RoCE devices differ"
        ),
    },
    capabilities={
        Capability.IPC_LOCK: "GPU blocks are pinned",
        Capability.SYS_RAWIO: "GPUDirect maps the adapter's registers",
        Capability.NET_ADMIN: "secondary interfaces are configured from within",
        Capability.NET_RAW: "RDMA address resolution uses raw sockets",
    },
    run_as_root="OpenShift would give a random user, whom the capabilities do not reach",
)
