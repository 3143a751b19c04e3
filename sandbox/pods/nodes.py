"""The nodes of the pod runner: addresses and network namespaces on the sandbox's bridge, kubelet ports, leases.

Only an open file keeps a namespace. When the pod runner ends for any reason, its namespaces and interfaces disappear.
Leases last and are renewed as a kubelet's (kubernetes/kubernetes v1.34.1, pkg/kubelet/apis/config/v1beta1/defaults.go:
40 s, renewed after a quarter of that).
"""

import asyncio
import ipaddress
import os
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from sandbox.cluster import namespaces
from sandbox.cluster.api import Api, ApiError, Object, is_true
from sandbox.cluster.control_plane import ADDRESS, BRIDGE, KUBERNETES
from sandbox.errors import SandboxError
from sandbox.pods.logs import Find, Kubelet

PODS = ipaddress.IPv4Network("10.244.0.0/17")
"""Addresses of pods; nodes and API server have the upper half of the bridge's network."""

_Result = TypeVar("_Result")


class Addresses:
    """Assigns pod addresses in turn, so that a freed one stays unused as long as possible."""

    def __init__(self) -> None:
        self._used: set[str] = set()
        self._last = 0

    def take(self, address: str) -> None:
        """Mark an address as used."""
        self._used.add(address)
        if (number := ipaddress.IPv4Address(address)) in PODS:
            self._last = max(self._last, int(number) - int(PODS[0]))

    def give(self) -> str:
        """Return a free address."""
        while True:
            self._last = self._last % (PODS.num_addresses - 2) + 1
            address = str(PODS[self._last])
            if address not in self._used:
                self._used.add(address)
                return address

    def free(self, address: str) -> None:
        """Release an address for later pods."""
        self._used.discard(address)


def listen(namespace: int, address: str, port: int) -> socket.socket:
    """Return a socket that listens inside a namespace; any thread may serve it."""

    def enter_and_listen() -> socket.socket:
        namespaces.enter(namespace)
        return socket.create_server((address, port), backlog=16)

    return _in_own_thread(enter_and_listen)


def settle() -> None:
    """Fix the bridge's hardware address, which otherwise changes with every new or deleted pod."""
    _ip(f"link set {BRIDGE} address {_hardware(ADDRESS)}")


def make_network(address: str, sysctls: Mapping[str, str] = MappingProxyType({})) -> int:
    """Make a network namespace with this address on the bridge; return the open file that keeps it.

    `sysctls` are names and values of network settings, as a pod's security context has them. Raises `SandboxError`.
    """
    outer = "veth" + ipaddress.IPv4Address(address).packed.hex()

    def inner_end() -> int:
        namespaces.unshare(namespaces.NEW_NETWORK)
        _ip(
            "link set lo up",
            f"link add eth0 address {_hardware(address)} type veth peer name {outer} netns {os.getpid()}",
            f"addr add {address}/16 dev eth0",
            "link set eth0 up",
            f"route add default via {ADDRESS}",
        )
        for name, value in sysctls.items():
            Path("/proc/sys", *name.split(".")).write_text(value)
        return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)

    try:
        namespace = _in_own_thread(inner_end)
    except SandboxError:  # an interface of a killed runner, which the kernel has not removed yet
        _ip(f"link delete {outer}")
        namespace = _in_own_thread(inner_end)
    _ip(f"link set {outer} master {BRIDGE} up")
    return namespace


def _hardware(address: str) -> str:
    """Return a hardware address that depends only on the IP address.

    With a random one, a new pod would be unreachable for up to 50 s, because neighbours cache the last owner's.
    """
    return "0a:58:" + ipaddress.IPv4Address(address).packed.hex(":")


def _ip(*commands: str) -> None:
    done = subprocess.run(["ip", "-batch", "-"], input="\n".join(commands), text=True, capture_output=True, check=False)
    if done.returncode:
        raise SandboxError(f"`ip` refused: {done.stderr.strip()}")


def _in_own_thread(work: Callable[[], _Result]) -> _Result:
    """Run `work` in its own thread, because it changes the thread's network namespace."""
    outcome: Future[_Result] = Future()

    def body() -> None:
        try:
            outcome.set_result(work())
        except Exception as error:
            outcome.set_exception(error)

    threading.Thread(target=body).start()
    return outcome.result()


PORT = 10250
"""Port of kubelets, as in the nodes' status."""

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
        if not is_true(node, "Ready"):
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
            self.network = await asyncio.to_thread(make_network, self.address)
            listening = listen(self.network, self.address, PORT)
            answer = Kubelet(self._find).serve
            self._server = await asyncio.start_server(answer, sock=listening, ssl=self._certificates)

    def close(self) -> None:
        """Release the network, which disappears with the node's pods."""
        if self._server:
            self._server.close()
        if self.network >= 0:
            os.close(self.network)
