"""A node of the pod runner: its network namespace, its kubelet's endpoint, and its lease.

The HTTPS endpoint serves the logs of containers, so that `kubectl logs` and `GET …/pods/<name>/log` work. Logs have no
times, so requests for times are refused. Leases last and are renewed as a kubelet's (kubernetes/kubernetes
v1.34.1, pkg/kubelet/apis/config/v1beta1/defaults.go: 40 s, renewed after a quarter of that).
"""

import asyncio
import contextlib
import json
import os
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO, Protocol
from urllib.parse import parse_qs, urlsplit

from sandbox.cluster.api import Api, ApiError, Object
from sandbox.cluster.control_plane import KUBERNETES
from sandbox.errors import SandboxError
from sandbox.pods import network
from sandbox.pods.logs import Log
from sandbox.pods.status import Container

PORT = 10250
"""Port of kubelets, as in the nodes' status."""
_CHUNK = 64 * 1024
_LOOK_AGAIN = 0.1


class Logged(Protocol):
    """A container with its log and its status."""

    log: Log
    status: Container


Find = Callable[[str, str], Sequence[Logged] | None]
"""Returns the containers of the running pod with this namespace and name."""


class _Refusal(Exception):
    def __init__(self, status: HTTPStatus, text: str) -> None:
        super().__init__(text)
        self.status = status


class Kubelet:
    """Serves the logs of pods that `find` returns."""

    def __init__(self, find: Find) -> None:
        self._find = find

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request and close the connection."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, ValueError):
            try:
                method, target, _ = (await reader.readline()).decode().split(" ", 2)
                while await reader.readline() not in (b"\r\n", b""):
                    pass
                await self._answer(method, target, reader, writer)
            except _Refusal as refusal:
                _head(writer, refusal.status, f"Content-Length: {len(str(refusal).encode())}")
                writer.write(str(refusal).encode())
                await writer.drain()
        writer.close()

    async def _answer(
        self, method: str, target: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        url = urlsplit(target)
        match url.path.strip("/").split("/"):
            case ["containerLogs", namespace, pod, container] if method == "GET":
                query = {name: values[-1] for name, values in parse_qs(url.query).items()}
                log = _Reading(self._container(namespace, pod, container), query)
            case _:
                raise _Refusal(
                    HTTPStatus.NOT_IMPLEMENTED, f"the sandbox's kubelets serve logs only, not {method} {url.path}"
                )
        file = log.open()
        with file:
            _head(writer, HTTPStatus.OK, "Transfer-Encoding: chunked")
            async for data in log.read(file):
                writer.write(b"%x\r\n%b\r\n" % (len(data), data) if data else b"")
                await writer.drain()
                if reader.at_eof():  # the client has closed the connection
                    return
            writer.write(b"0\r\n\r\n")
            await writer.drain()

    def _container(self, namespace: str, pod: str, container: str) -> Logged:
        found = self._find(namespace, pod)
        if found is None:
            raise _Refusal(HTTPStatus.NOT_FOUND, f'pod "{pod}" does not run here')
        for one in found:
            if one.status.name == container:
                return one
        raise _Refusal(HTTPStatus.NOT_FOUND, f'container "{container}" not found in pod "{pod}"')


class _Reading:
    """One request for a container's log."""

    def __init__(self, container: Logged, query: dict[str, str]) -> None:
        self._container = container
        self._previous = _true(query, "previous")
        self._follow = _true(query, "follow") and not self._previous
        self._tail = int(query["tailLines"]) if "tailLines" in query else None
        self._left = int(query["limitBytes"]) if "limitBytes" in query else None
        if _true(query, "timestamps") or query.keys() & {"sinceSeconds", "sinceTime"}:
            raise _Refusal(HTTPStatus.BAD_REQUEST, "the sandbox keeps no times of log lines: ask without them")

    def open(self) -> BinaryIO:
        log, status = self._container.log, self._container.status
        path: Path = log.previous if self._previous else log.path
        if path.exists():
            return path.open("rb")
        what = "previous terminated container" if self._previous else "container"
        state = json.dumps(status.state.get("waiting", {}).get("reason", "not started"))
        raise _Refusal(HTTPStatus.BAD_REQUEST, f'{what} "{status.name}" has no log: {state}')

    async def read(self, file: BinaryIO) -> AsyncIterator[bytes]:
        """Yield the log in pieces; while it is followed, an empty piece if there is nothing new."""
        if self._tail is not None:
            file.seek(_start_of_last(file, self._tail))
        while self._left is None or self._left > 0:
            running = self._container.status.running
            if data := file.read(_CHUNK if self._left is None else min(_CHUNK, self._left)):
                self._left = None if self._left is None else self._left - len(data)
                yield data
            elif not (self._follow and running):
                return
            else:
                yield b""
                await asyncio.sleep(_LOOK_AGAIN)


def _start_of_last(file: BinaryIO, lines: int) -> int:
    """Return the position of the last `lines` lines."""
    position = end = file.seek(0, 2)
    found = 0
    while position > 0:
        step = min(_CHUNK, position)
        position -= step
        file.seek(position)
        block = file.read(step)
        for offset in range(len(block) - 1, -1, -1):
            if block[offset] == 0x0A and position + offset != end - 1:
                found += 1
                if found == lines:
                    return position + offset + 1
    return 0 if lines else end


def _true(query: dict[str, str], name: str) -> bool:
    return query.get(name, "false").lower() in ("true", "1")


def _head(writer: asyncio.StreamWriter, status: HTTPStatus, length: str) -> None:
    lines = (f"HTTP/1.1 {status.value} {status.phrase}", "Content-Type: text/plain", length, "Connection: close")
    writer.write("\r\n".join([*lines, "", ""]).encode())


_LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
_LEASE_SECONDS = 40
_HEALTHY = {"Ready": "True", "MemoryPressure": "False", "DiskPressure": "False", "PIDPressure": "False"}


class Heartbeat:
    """Renews the leases of the nodes that `hear` has received."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._uids: dict[str, str] = {}

    def hear(self, kind: str, node: Object) -> None:
        """Handle a watch event; report a node Ready if it is not."""
        name = node["metadata"]["name"]
        if kind == "DELETED":
            self._uids.pop(name, None)
            return
        self._uids[name] = node["metadata"]["uid"]
        conditions = node.get("status", {}).get("conditions") or []
        if not any(one["type"] == "Ready" and one["status"] == "True" for one in conditions):
            asyncio.get_running_loop().run_in_executor(None, _send, self._say_ready, name)

    async def beat(self) -> None:
        """Renew the lease of every node until cancelled."""
        while True:
            for name in list(self._uids):
                await asyncio.to_thread(_send, self._renew, name)
            await asyncio.sleep(_LEASE_SECONDS / 4)

    def _say_ready(self, name: str) -> None:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        times = {"lastHeartbeatTime": now, "lastTransitionTime": now}
        status = {
            "conditions": [
                {"type": kind, "status": status, "reason": "Kubelet", **times} for kind, status in _HEALTHY.items()
            ],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": PORT}},
            "nodeInfo": {"operatingSystem": "linux", "osImage": "sandbox", "kubeletVersion": KUBERNETES},
        }
        self._api.patch(f"/api/v1/nodes/{name}/status", {"status": status}, "application/strategic-merge-patch+json")

    def _renew(self, name: str) -> None:
        owner = {"apiVersion": "v1", "kind": "Node", "name": name, "uid": self._uids[name]}
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        lease = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": name, "ownerReferences": [owner]},
            "spec": {"holderIdentity": name, "leaseDurationSeconds": _LEASE_SECONDS, "renewTime": now},
        }
        self._api.apply(f"{_LEASES}/{name}", lease)


def _send(report: Callable[[str], None], name: str) -> None:
    try:
        report(name)
    except (ApiError, SandboxError, KeyError):  # the node or the API server is gone; the next beat tries again
        return


class Node:
    """One node. Its first pod causes its network, because there may be hundreds of nodes without pods."""

    def __init__(self, address: str, certificates: ssl.SSLContext, find: Find) -> None:
        self.address = address
        self.network = -1
        """Open network namespace, after `open`."""
        self._certificates, self._find = certificates, find
        self._server: asyncio.Server | None = None
        self._opening = asyncio.Lock()

    async def open(self) -> None:
        """Make the network and start the kubelet's endpoint, once."""
        async with self._opening:
            if self.network >= 0:
                return
            self.network = await asyncio.to_thread(network.make, self.address)
            listening = network.listen(self.network, self.address, PORT)
            answer = Kubelet(self._find).serve
            self._server = await asyncio.start_server(answer, sock=listening, ssl=self._certificates)

    def close(self) -> None:
        """Release the network, which disappears with the node's pods."""
        if self._server:
            self._server.close()
        if self.network >= 0:
            os.close(self.network)
