"""Container ports."""

from components.manifests import Fields, given


def container_port(port: int, name: str | None = None, *, on_host: bool = False) -> Fields:
    """A port of a container; `on_host` where the pod is on its node's network.

    The API server fills the host port in by itself there, but without a field manager: it would outlive the mode,
    and two pods of a tier never again fit on one node.
    """
    return given({"name": name, "containerPort": port, "hostPort": port if on_host else None, "protocol": "TCP"})
