"""Shared parts of all pods: the API server, the launcher, the programs, the folders."""

import asyncio
import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sandbox.cluster import network
from sandbox.cluster.api import Api, ApiError, Object
from sandbox.cluster.control_plane import PORT
from sandbox.errors import SandboxError
from sandbox.pods.environment import Lookup, service_links
from sandbox.pods.launcher import Launcher
from sandbox.pods.volumes import Tokens

_API_SERVER: Object = {
    "metadata": {"name": "kubernetes"},
    "spec": {"clusterIP": network.ADDRESS, "ports": [{"name": "https", "port": PORT}]},
}
"""The API server's Service for the variables of every container. It has the API server's own address, which works
before the relays of Services."""


@dataclass
class Runtime:
    """`root` is the sandbox's folder, `volumes` a tmpfs of the runner's own; `tools` and `simulator` (arguments for
    every vLLM) are the plan's."""

    api: Api
    launcher: Launcher
    tokens: Tokens
    tools: Mapping[str, str]
    simulator: Sequence[str]
    root: Path
    volumes: Path
    claims: Path
    logs: Path

    def lookup(self, namespace: str) -> Lookup:
        """Return a function that reads ConfigMaps and Secrets of a namespace."""

        def read(kind: str, name: str) -> Object | None:
            try:
                found = self.api.get(f"/api/v1/namespaces/{namespace}/{kind}s/{name}")
            except ApiError as error:
                if error.code == 404:
                    return None
                raise
            return _plain(found) if kind == "secret" else found

        return read

    def services(self, pod: Object) -> dict[str, str]:
        """Return the variables of Services for a container of this pod."""
        links = pod["spec"].get("enableServiceLinks", True)
        path = f"/api/v1/namespaces/{pod['metadata']['namespace']}/services"
        return service_links([*(self.api.get(path)["items"] if links else []), _API_SERVER])

    async def patch_status(self, pod: Object, status: Object) -> bool:
        """Write a pod's status; False if the pod is gone. Waits for an API server that is being restarted."""
        metadata = pod["metadata"]
        body = {"metadata": {"uid": metadata["uid"]}, "status": status}
        path = f"{path_of(pod)}/status"
        while True:
            try:
                await asyncio.to_thread(self.api.patch, path, body, "application/strategic-merge-patch+json")
            except ApiError as error:
                if error.code in (404, 409):
                    return False
                raise
            except SandboxError:
                await asyncio.sleep(0.5)
            else:
                return True


def path_of(pod: Object) -> str:
    """Return a pod's path in the API."""
    return f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"


def _plain(secret: Object) -> Object:
    """Return a Secret with decoded texts; other values stay encoded in a separate field."""
    text, binary = {}, {}
    for key, value in secret.get("data", {}).items():
        try:
            text[key] = base64.b64decode(value).decode()
        except UnicodeDecodeError:
            binary[key] = value
    return {"data": text, "binaryData": binary}
