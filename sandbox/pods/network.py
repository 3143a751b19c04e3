"""Addresses and network namespaces of pods and nodes, on the sandbox's bridge.

Only an open file keeps a namespace. When the pod runner ends for any reason, its namespaces and interfaces disappear.
"""

import ipaddress
import os
import socket
import subprocess
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from sandbox.cluster import namespaces
from sandbox.cluster.network import ADDRESS, BRIDGE
from sandbox.errors import SandboxError

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


def make(address: str, sysctls: Mapping[str, str] = MappingProxyType({})) -> int:
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
