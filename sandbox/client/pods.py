"""Finds pods by role, part of the name, or address, and prints the logs of their containers."""

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

from sandbox.cluster.api import Api, ApiError, connect, is_true
from sandbox.errors import SandboxError
from sandbox.home import Home
from sandbox.network.gateways import GATEWAY, STANDALONE

_GATEWAY_LABELS = (GATEWAY, STANDALONE)
_ROLE_LABEL, _PICKER_LABEL, _INSTALL_LABEL = "llm-d.ai/role", "inferencepool", "llm-d.ai/instance"
ROLES = ("prefill", "decode", "epp", "gateway")


@dataclass(frozen=True)
class Pod:
    """An existing pod."""

    object: dict[str, Any]

    @property
    def namespace(self) -> str:
        """Namespace of the pod."""
        return str(self.object["metadata"]["namespace"])

    @property
    def name(self) -> str:
        """Name of the pod."""
        return str(self.object["metadata"]["name"])

    @property
    def path(self) -> str:
        """Path of the pod in the API."""
        return f"/api/v1/namespaces/{self.namespace}/pods/{self.name}"

    @property
    def role(self) -> str:
        """One of `ROLES`; empty for a pod that does not serve."""
        labels = self.object["metadata"].get("labels") or {}
        if self.gateway:
            return "gateway"
        return "epp" if _PICKER_LABEL in labels else str(labels.get(_ROLE_LABEL, ""))

    @property
    def install(self) -> tuple[str, str]:
        """Namespace and postfix of the pod's install."""
        return self.namespace, str((self.object["metadata"].get("labels") or {}).get(_INSTALL_LABEL, ""))

    @property
    def gateway(self) -> str:
        """Name of the pod's gateway, or empty."""
        labels = self.object["metadata"].get("labels") or {}
        return next((str(labels[label]) for label in _GATEWAY_LABELS if label in labels), "")

    @property
    def node(self) -> str:
        """Node of the pod, or empty."""
        return str(self.object["spec"].get("nodeName", ""))

    @property
    def state(self) -> str:
        """Ready, Terminating, or its phase."""
        if "deletionTimestamp" in self.object["metadata"]:
            return "Terminating"
        return "Ready" if is_true(self.object, "Ready") else str(self.object["status"].get("phase", "Pending"))

    @property
    def containers(self) -> list[dict[str, Any]]:
        """Containers, native sidecars and init containers first."""
        spec = self.object["spec"]
        return [*(spec.get("initContainers") or []), *spec["containers"]]

    @property
    def container_names(self) -> list[str]:
        """Names of the containers."""
        return [str(one["name"]) for one in self.containers]

    @property
    def restarts(self) -> int:
        """Number of restarts of the containers."""
        status = self.object["status"]
        states = [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]
        return sum(int(one.get("restartCount", 0)) for one in states)

    @property
    def gpus(self) -> int:
        """GPUs of the containers."""
        limits = [one.get("resources", {}).get("limits", {}) for one in self.containers]
        return sum(int(amount) for limit in limits for name, amount in limit.items() if name.endswith("/gpu"))

    def port(self, name: str) -> int | None:
        """Return the number of a named port; None if there is no such port."""
        ports = (port for one in self.containers for port in one.get("ports") or [])
        return next((int(port["containerPort"]) for port in ports if port.get("name") == name), None)

    def listens_on(self, address: str) -> bool:
        """Whether this is the pod at `address`, "10.244.0.7:8000"; pods on their node's network share its address."""
        host, _, port = address.rpartition(":")
        if self.object["status"].get("podIP") != host or self.state == "Terminating":
            return False
        on_host = self.object["spec"].get("hostNetwork", False)
        return not on_host or any(
            str(each["containerPort"]) == port for one in self.containers for each in one.get("ports") or []
        )


def listed(api: Api, namespace: str | None = None) -> list[Pod]:
    """List the pods in the order gateway, picker, prefill, decode, others, then by name."""
    where = f"/api/v1/namespaces/{namespace}/pods" if namespace else "/api/v1/pods"
    found = [Pod(one) for one in api.get(where)["items"]]
    order = {"gateway": 0, "epp": 1, "prefill": 2, "decode": 3}
    return sorted(found, key=lambda pod: (pod.namespace, order.get(pod.role, 4), pod.name))


def at(pods: Iterable[Pod], address: str | None) -> Pod | None:
    """Return the pod at an address; None if there is none."""
    return next((pod for pod in pods if address and pod.listens_on(address)), None)


def matching(pods: Sequence[Pod], words: str) -> list[Pod]:
    """Return the pods of a role, or those with `words` in their name."""
    return [pod for pod in pods if pod.role == words] or [pod for pod in pods if words in pod.name]


def print_logs(home: Home, pod: str, container: str = "", *, follow: bool = False, out: TextIO | None = None) -> int:
    """Print the log of a pod's container, or of all its containers with their names in front.

    `pod` is a role (prefill, decode, epp, gateway) or part of a name. Raises `SandboxError` with the existing names if
    that is not exactly one pod, or it has no such container.
    """
    with connect(home.host_kubeconfig) as api:
        chosen = _chosen(listed(api), pod)
        if container and container not in chosen.container_names:
            raise SandboxError(
                f"{chosen.name} has no container {container!r}; it has: {', '.join(chosen.container_names)}"
            )
        names = [container] if container else chosen.container_names

        def write(name: str) -> None:
            """Print one container's log, or a line if it does not exist yet."""
            start = f"{name}  " if len(names) > 1 else ""
            query = {"container": name, **({"follow": "true"} if follow else {})}
            try:
                for line in api.lines(f"{chosen.path}/log", **query):
                    print(f"{start}{line}", file=out, flush=True)
            except ApiError as error:
                print(f"{start}(no log: {error})", file=out, flush=True)

        threads = [threading.Thread(target=write, args=(name,), daemon=True) for name in names]
        for thread in threads:
            thread.start()
            if not follow:
                thread.join()
        for thread in threads:
            thread.join()
    return 0


def _chosen(listed: list[Pod], words: str) -> Pod:
    found = matching(listed, words) if words else listed
    if words and len(found) == 1:
        return found[0]
    there = [f"  {pod.role or '-':<8} {pod.name}  ({', '.join(pod.container_names)})" for pod in found or listed]
    what = (
        f"several pods match POD={words}"
        if words and found
        else f"no pod matches POD={words}"
        if words
        else "which pod?"
    )
    raise SandboxError(
        "\n".join([f"{what}; a role ({', '.join(ROLES)}) or a part of a name that only one of these has:", *there])
        if there
        else "there are no pods: `make up` deploys a stack"
    )
