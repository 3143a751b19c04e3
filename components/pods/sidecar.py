"""The routing sidecar: takes a decode pod's requests and has the chosen prefill pod compute the KV cache first."""

from components.manifests import CONFINED, Fields, given
from components.plan.worker_args import SidecarArgs
from components.pods.containers import container_port, equal_resources, variable_of_pod


def container(sidecar: SidecarArgs, *, on_host: bool) -> Fields:
    """An init container with restartPolicy Always: a native sidecar, up before vLLM and down after it.

    `on_host`: the pod is on its node's network.
    """
    container = {
        "name": "routing-proxy",
        "image": sidecar.image.name,
        "imagePullPolicy": sidecar.image.pull_policy,
        "restartPolicy": "Always",
        "args": [f"--port={sidecar.port}", *(f"{flag}={value}" for flag, value in sidecar.flags.items())],
        "env": _environment(sidecar) or None,
        "ports": [container_port(sidecar.port, on_host=on_host)],
        "resources": equal_resources(sidecar.resources),
        "securityContext": CONFINED,
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    return given(container)


def _environment(sidecar: SidecarArgs) -> list[Fields]:
    plain: list[Fields] = [{"name": name, "value": value} for name, value in sidecar.env.items()]
    if sidecar.own_address is None:
        return plain
    return [*plain, variable_of_pod(sidecar.own_address, "status.podIP")]
