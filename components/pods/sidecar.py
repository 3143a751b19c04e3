"""The routing sidecar: takes a decode pod's requests and has the chosen prefill pod compute the KV cache first."""

import pulumi_kubernetes as k8s

from components.plan.worker_args import SidecarArgs
from components.pods.confinement import confined
from components.pods.ports import container_port
from components.pods.resources import equal_resources


def container(sidecar: SidecarArgs, *, on_host: bool) -> k8s.core.v1.ContainerArgs:
    """An init container with restartPolicy Always: a native sidecar, up before vLLM and down after it.

    `on_host`: the pod is on its node's network.
    """
    return k8s.core.v1.ContainerArgs(
        name="routing-proxy",
        image=sidecar.image.name,
        image_pull_policy=sidecar.image.pull_policy,
        restart_policy="Always",
        args=[f"--port={sidecar.port}", *(f"{flag}={value}" for flag, value in sidecar.flags.items())],
        env=_environment(sidecar) or None,
        ports=[container_port(sidecar.port, on_host=on_host)],
        resources=equal_resources(sidecar.resources),
        security_context=confined(),
        termination_message_policy="FallbackToLogsOnError",
    )


def _environment(sidecar: SidecarArgs) -> list[k8s.core.v1.EnvVarArgs]:
    plain = [k8s.core.v1.EnvVarArgs(name=name, value=value) for name, value in sidecar.env.items()]
    if sidecar.own_address is None:
        return plain
    address = k8s.core.v1.ObjectFieldSelectorArgs(field_path="status.podIP")
    source = k8s.core.v1.EnvVarSourceArgs(field_ref=address)
    return [*plain, k8s.core.v1.EnvVarArgs(name=sidecar.own_address, value_from=source)]
