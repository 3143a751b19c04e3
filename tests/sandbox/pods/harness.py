"""Pods of a test, in its own namespace, and their processes on this machine."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from sandbox.cluster.api import Api, ApiError, connect
from tests.sandbox.running import Running

Object = dict[str, Any]
PATIENCE = 30.0
"""Seconds; the machine may be busy."""


def shell(script: str, **more: Any) -> Object:
    """A container `c` that runs a shell script on the machine's own programs."""
    return {"name": "c", "image": "busybox:1", "command": ["sh", "-c", script], **more}


@dataclass(frozen=True)
class Pods:
    """The API of a cluster with a pod runner, in one namespace."""

    cluster: Running
    api: Api
    namespace: str

    def path(self, kind: str, name: str = "") -> str:
        return f"/api/v1/namespaces/{self.namespace}/{kind}" + (f"/{name}" if name else "")

    def make(self, kind: str, name: str, **body: Any) -> Object:
        kinds = {"configmaps": "ConfigMap", "secrets": "Secret", "persistentvolumeclaims": "PersistentVolumeClaim"}
        return self.api.create(
            self.path(kind), {"apiVersion": "v1", "kind": kinds[kind], "metadata": {"name": name}, **body}
        )

    def run(self, *containers: Object, name: str = "p", metadata: Object | None = None, **spec: Any) -> None:
        """Create a pod on node amd-0 if `spec` names no other."""
        body = {"containers": list(containers), "nodeName": "amd-0", "terminationGracePeriodSeconds": 5, **spec}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, **(metadata or {})}, "spec": body}
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                self.api.create(self.path("pods"), pod)
                return
            except ApiError as error:  # a controller makes the namespace's ServiceAccount a moment later
                assert "serviceaccount" in str(error) and time.monotonic() < deadline, error
                time.sleep(0.05)

    def get(self, name: str = "p") -> Object:
        return self.api.get(self.path("pods", name))

    def until(self, condition: Callable[[Object], object], name: str = "p") -> Object:
        """Wait until a pod fulfils the condition; return it."""
        deadline = time.monotonic() + PATIENCE
        while not condition(pod := self.get(name)):
            assert time.monotonic() < deadline, pod.get("status")
            time.sleep(0.05)
        return pod

    def log(self, name: str = "p", **query: str) -> str:
        return self.api.text(f"{self.path('pods', name)}/log", **query)


@contextmanager
def pods_of(cluster: Running) -> Iterator[Pods]:
    name = f"pods-{uuid4().hex[:8]}"
    with connect(cluster.host_kubeconfig) as api:
        api.create("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        pods = Pods(cluster, api, name)
        try:
            yield pods
        finally:
            for one in api.get(pods.path("pods"))["items"]:
                api.delete(pods.path("pods", one["metadata"]["name"]), gracePeriodSeconds="0")


def container(pod: Object, name: str = "c") -> Object:
    status = pod.get("status", {})
    every = status.get("containerStatuses", []) + status.get("initContainerStatuses", [])
    return next((one for one in every if one["name"] == name), {"state": {}, "lastState": {}, "restartCount": 0})


def ended(pod: Object) -> bool:
    return pod.get("status", {}).get("phase") in ("Succeeded", "Failed")


def network(pid: int) -> str:
    return str(Path(f"/proc/{pid}/ns/net").readlink())


def networks() -> set[str]:
    """Return every network namespace that a process is in or holds open."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        for link in [folder / "ns" / "net", *(folder / "fd").glob("*")]:
            try:
                found.add(str(link.readlink()))
            except OSError:
                continue
    return found
