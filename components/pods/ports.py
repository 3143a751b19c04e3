"""Container ports."""

import pulumi_kubernetes as k8s


def container_port(port: int, name: str | None = None, *, on_host: bool = False) -> k8s.core.v1.ContainerPortArgs:
    """A port of a container; `on_host` where the pod is on its node's network.

    The API server fills the host port in by itself there, but without a field manager: it would outlive the mode,
    and two pods of a tier never again fit on one node.
    """
    return k8s.core.v1.ContainerPortArgs(
        name=name, container_port=port, host_port=port if on_host else None, protocol="TCP"
    )
