"""Temporary faults of a cluster, as context managers."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sandbox.cluster import crds
from sandbox.cluster.api import Api, ApiError
from tests.sandbox.running import soon, tools
from tests.sandbox.stack.deployment import Deployment

NAMESPACE = "llm-d-pd"
LEVEL = "pod-security.kubernetes.io/enforce"
NODES = ("amd-0", "amd-1")
Object = dict[str, Any]


@dataclass(frozen=True)
class Stage:
    """A cluster of two nodes, a stack that is not deployed, and access to the API server."""

    api: Api
    amd: Deployment
    folder: Path

    @contextmanager
    def made(self, path: str, body: Object) -> Iterator[Object]:
        """Create an object for the duration of the body."""
        try:
            yield self.api.apply(path, body)
        finally:
            self.gone(path)

    def gone(self, path: str) -> None:
        """Delete an object and wait until it is gone."""
        with suppress(ApiError):
            self.api.delete(path, gracePeriodSeconds="0")
        assert soon(lambda: not self.exists(path), 60), f"{path} stays"

    def exists(self, path: str) -> bool:
        try:
            self.api.get(path)
        except ApiError:
            return False
        return True

    @contextmanager
    def namespace(self, level: str = "") -> Iterator[None]:
        """Create the stack's namespace as another owner, with a Pod Security level."""
        metadata = {"name": NAMESPACE, "labels": {LEVEL: level} if level else {}}
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
        with self.made(f"/api/v1/namespaces/{NAMESPACE}", body):
            yield

    @contextmanager
    def within(self, plural: str, kind: str, name: str, api: str = "/api/v1", **fields: Any) -> Iterator[None]:
        """Create an object in the stack's namespace."""
        version = api.removeprefix("/apis/").removeprefix("/api/")
        metadata = {"name": name, "namespace": NAMESPACE, **fields.pop("metadata", {})}
        body = {"apiVersion": version, "kind": kind, "metadata": metadata, **fields}
        with self.made(f"{api}/namespaces/{NAMESPACE}/{plural}/{name}", body):
            yield

    @contextmanager
    def without_kinds(self, *names: str) -> Iterator[None]:
        """Remove these CRDs for a while."""
        definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        versions = {
            (name, each["name"])
            for name in names
            for each in self.api.get(f"{definitions}/{name}")["spec"]["versions"]
            if each["served"]
        }
        for name in names:
            self.gone(f"{definitions}/{name}")

        def served(name: str, version: str) -> bool:
            plural, _, group = name.partition(".")
            try:
                kinds = self.api.get(f"/apis/{group}/{version}")["resources"]
            except ApiError:
                return False
            return any(each["name"] == plural for each in kinds)

        assert soon(lambda: not any(served(*each) for each in versions), 60), f"one of {names} is still served"
        try:
            yield
        finally:
            crds.apply(self.amd.cluster.host_kubeconfig, tools()["crds"])
            assert soon(lambda: all(served(*each) for each in versions), 60), f"one of {names} is not served again"

    @contextmanager
    def nodes(self, spec: Object | None = None, resources: Mapping[str, str] | None = None) -> Iterator[None]:
        """Give both nodes another spec or other devices."""
        before = {name: self.api.get(f"/api/v1/nodes/{name}") for name in NODES}
        for name in NODES:
            if spec:
                self.api.patch(f"/api/v1/nodes/{name}", {"spec": spec})
            if resources is not None:
                devices: dict[str, str | None] = {
                    key: None for key in before[name]["status"]["allocatable"] if "/" in key
                }
                devices.update(resources)
                status = {"capacity": devices, "allocatable": devices}
                self.api.patch(f"/api/v1/nodes/{name}/status", {"status": status})
        try:
            yield
        finally:
            for name, node in before.items():
                old = {"taints": node["spec"].get("taints"), "unschedulable": node["spec"].get("unschedulable")}
                self.api.patch(f"/api/v1/nodes/{name}", {"spec": old})
                amounts: dict[str, str | None] = dict.fromkeys(resources or {})
                amounts.update(node["status"]["allocatable"])
                status = {"capacity": amounts, "allocatable": amounts}
                self.api.patch(f"/api/v1/nodes/{name}/status", {"status": status})

    @contextmanager
    def others(self, **container: Any) -> Iterator[None]:
        """Put a pod of another owner on each node."""
        paths = []
        for name in NODES:
            path = f"/api/v1/namespaces/default/pods/job-{name}"
            spec = {"nodeName": name, "containers": [{"name": "c", "image": "pause:1", **container}]}
            metadata = {"name": f"job-{name}", "namespace": "default"}
            self.api.apply(path, {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
            paths.append(path)
        try:
            yield
        finally:
            for path in paths:
                self.gone(path)

    def kubeconfig(self, **changes: Any) -> Path:
        """Return the sandbox's kubeconfig with another cluster or user entry."""
        document = yaml.safe_load(self.amd.cluster.home.kubeconfig.read_text())
        for key, value in changes.items():
            [entry] = document[f"{key}s"]
            entry[key] = value(entry[key]) if callable(value) else value
        file = self.folder / f"kubeconfig-{time.monotonic_ns()}"
        file.write_text(yaml.safe_dump(document))
        return file

    def token_of(self, account: str) -> str:
        """Return a token of a ServiceAccount in the namespace default."""
        path = f"/api/v1/namespaces/default/serviceaccounts/{account}/token"
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        return str(self.api.create(path, request)["status"]["token"])
