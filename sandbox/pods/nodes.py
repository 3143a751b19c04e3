"""The nodes of the pod runner: addresses and network namespaces on the sandbox's bridge, kubelet ports, statuses.

Only an open file keeps a namespace. When the pod runner ends for any reason, its namespaces and interfaces disappear.
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
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from sandbox.cluster import namespaces
from sandbox.cluster.api import Api, ApiError, Object, is_true
from sandbox.cluster.control_plane import ADDRESS, BRIDGE, KUBERNETES
from sandbox.errors import SandboxError
from sandbox.pods.logs import Find, Kubelet
from sandbox.pods.status import now

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

_BEAT_SECONDS = 300.0
"""Seconds between reports: a fraction of the controllers' patience with nodes, which is an hour here."""
_HEALTHY = {"Ready": "True", "MemoryPressure": "False", "DiskPressure": "False", "PIDPressure": "False"}


class Heartbeat:
    """Reports the nodes that `hear` has received as Ready, by their statuses. There are no leases."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._names: set[str] = set()

    def hear(self, kind: str, node: Object) -> None:
        """Handle a watch event; report a node Ready if it is not."""
        name = node["metadata"]["name"]
        if kind == "DELETED":
            self._names.discard(name)
            return
        self._names.add(name)
        if not is_true(node, "Ready"):
            since = {"lastTransitionTime": now()}
            asyncio.get_running_loop().run_in_executor(None, self._report, name, since)

    async def beat(self) -> None:
        """Report every node until cancelled."""
        while True:
            await asyncio.sleep(_BEAT_SECONDS)
            for name in list(self._names):
                await asyncio.to_thread(self._report, name, {})

    def _report(self, name: str, since: Mapping[str, str]) -> None:
        times = {"lastHeartbeatTime": now(), **since}
        status = {
            "conditions": [
                {"type": kind, "status": status, "reason": "Kubelet", **times} for kind, status in _HEALTHY.items()
            ],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": PORT}},
            "nodeInfo": {"operatingSystem": "linux", "osImage": "sandbox", "kubeletVersion": KUBERNETES},
        }
        content = "application/strategic-merge-patch+json"
        with suppress(ApiError, SandboxError):  # the node or the API server is gone
            self._api.patch(f"/api/v1/nodes/{name}/status", {"status": status}, content)


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
