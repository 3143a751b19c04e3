"""The routing sidecar: takes a decode pod's requests and has the chosen prefill pod compute the KV cache first."""

import pulumi_kubernetes as k8s

from components.plan.worker_args import SidecarArgs


def container(sidecar: SidecarArgs) -> k8s.core.v1.ContainerArgs:
    """An init container with restartPolicy Always: a native sidecar, up before vLLM and down after it."""
    return k8s.core.v1.ContainerArgs(
        name="routing-proxy",
        image=sidecar.image.name,
        image_pull_policy=sidecar.image.pull_policy,
        restart_policy="Always",
        args=[
            f"--port={sidecar.port}",
            f"--vllm-port={sidecar.vllm_port}",
            f"{sidecar.connector_flag}=nixlv2",
            "--zap-encoder=json",
            f"--zap-log-level={sidecar.log_level}",
            "--secure-proxy=false",  # the default is a TLS server, and the gateway speaks plain HTTP
        ],
        ports=[k8s.core.v1.ContainerPortArgs(container_port=sidecar.port, protocol="TCP")],
        security_context=k8s.core.v1.SecurityContextArgs(allow_privilege_escalation=False, run_as_non_root=True),
        termination_message_policy="FallbackToLogsOnError",
    )
