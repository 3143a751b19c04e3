"""The cluster of a file of faults, reached through a relay that a test can hold or cut."""

import os
import signal
import socket
import socketserver
import struct
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from sandbox.cluster import lifecycle
from sandbox.cluster.api import Api, ApiError, connect
from sandbox.cluster.control_plane import ControlPlane
from sandbox.errors import SandboxError
from tests.sandbox.running import Running, separate
from tests.sandbox.stack.deployment import Deployment, deployment

_RESET = struct.pack("ii", 1, 0)


class Relay(socketserver.ThreadingTCPServer):
    """Relays connections to a port of this machine. New ones wait while the relay is held."""

    request_queue_size, daemon_threads, block_on_close = 128, True, False

    def __init__(self, upstream: int) -> None:
        super().__init__(("127.0.0.1", 0), socketserver.BaseRequestHandler)
        self.port: int = self.socket.getsockname()[1]
        self.waiting = 0
        """Connections that wait now."""
        self.refused = 0
        """Connections so far without a server."""
        self._upstream, self._open, self._lock = upstream, threading.Event(), threading.Lock()
        self._sockets: set[socket.socket] = set()
        self._open.set()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let new connections wait."""
        self._open.clear()
        try:
            yield
        finally:
            self.release()

    def release(self) -> None:
        """Continue waiting connections."""
        self._open.set()

    def cut(self) -> None:
        """Reset all connections; new ones are accepted."""
        with self._lock:
            for one in self._sockets:
                with suppress(OSError):
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                    one.shutdown(socket.SHUT_RDWR)
            self._sockets.clear()

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Serve one connection, in its own thread."""
        with self._lock:
            self._sockets.add(request)
            self.waiting += 1
        self._open.wait()
        with self._lock:
            self.waiting -= 1
        try:
            server = socket.create_connection(("127.0.0.1", self._upstream), timeout=10)
        except OSError:
            with self._lock:
                self.refused += 1
            return
        with server:
            server.settimeout(None)
            with self._lock:
                self._sockets.add(server)
            threading.Thread(target=_pump, args=(server, request), daemon=True).start()
            _pump(request, server)
            with self._lock:
                self._sockets -= {request, server}


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    for one in (source, target):
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)


NODES = 4
_API_SERVER = "kube-apiserver"
_PARTS = ("etcd", _API_SERVER, "kube-controller-manager", "kube-scheduler", "kwok")


@dataclass(frozen=True)
class Stage:
    """A simulated cluster with a real scheduler; placed pods are Ready at once."""

    cluster: Running
    relay: Relay
    api: Api
    amd: Deployment
    components: "Components"
    whole: set[str] = field(default_factory=set)
    """Names of all resources of a stack, after the first deployment."""

    def stack(self, name: str) -> Deployment:
        """A stack in its own namespace, not yet deployed."""
        engine = self.amd.engine
        whole = yaml.safe_load((engine.cwd / "Pulumi.amd.yaml").read_text())
        serving = dict(whole["config"]["llm-d-pd:serving"])
        one = {"replicas": 1, "tensorParallel": 1}
        serving |= {"namespace": name, "prefill": one, "decode": one}
        whole["config"]["llm-d-pd:serving"] = serving
        (engine.cwd / f"Pulumi.{name}.yaml").write_text(yaml.safe_dump(whole))
        made = replace(self.amd, stack=name)
        made.pulumi("stack", "init", "--no-select")
        return made

    def serves(self) -> bool:
        with suppress(ApiError, SandboxError):
            return self.api.text("/readyz") == "ok"
        return False

    @contextmanager
    def full(self) -> Iterator[None]:
        """No node takes a pod, so that waits for pods continue."""
        self._cordon(True)
        try:
            yield
        finally:
            self._cordon(False)

    def _cordon(self, closed: bool) -> None:
        for index in range(NODES):
            self.api.patch(f"/api/v1/nodes/amd-{index}", {"spec": {"unschedulable": closed or None}})


@dataclass
class Components:
    """The control plane's processes. They are restarted when they end, as by a kubelet.

    Controllers and scheduler end by themselves when the API server is absent for longer than their lease.
    """

    control_plane: ControlPlane
    down: threading.Event = field(default_factory=threading.Event)
    """While it is set, the API server is not restarted."""
    over: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._commands = dict(self._running())
        self._pids = {name: int(pid) for name, (pid, _) in self._commands.items()}
        self._thread = threading.Thread(target=self._supervise, daemon=True)
        self._thread.start()

    def kill_api_server(self) -> None:
        """SIGKILL the API server; it stays absent until `down` is cleared."""
        self.down.set()
        os.kill(self._pids[_API_SERVER], signal.SIGKILL)

    def stop(self) -> None:
        """End the supervision; the sandbox ends the processes."""
        self.over.set()
        self._thread.join()

    def _supervise(self) -> None:
        while not self.over.wait(0.2):
            for name, (_, command) in self._commands.items():
                if _ended(self._pids[name]) and not (name == _API_SERVER and self.down.is_set()):
                    with (self.control_plane.logs / f"{name}.log").open("ab") as output:
                        process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)
                    self._pids[name] = process.pid

    def _running(self) -> Iterator[tuple[str, tuple[str, list[str]]]]:
        """Yield name, process number and command line of each part."""
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                command = (process / "cmdline").read_bytes().decode().split("\0")[:-1]
                name = Path(command[0]).name if command else ""
                if name in _PARTS and any(f"{self.control_plane.folder}/" in word for word in command):
                    yield name, (process.name, command)


def _ended(pid: int) -> bool:
    with suppress(ChildProcessError):  # another parent may collect it
        os.waitpid(pid, os.WNOHANG)
    return not lifecycle.start_of(pid)


@contextmanager
def opened(purpose: str) -> Iterator[Stage]:
    """Start the cluster; delete it afterwards."""
    with separate(purpose, variables={lifecycle.NO_NAMESPACES: "1"}) as cluster:
        amd, home = deployment(cluster, "amd", count=NODES), cluster.home
        kubeconfig: dict[str, Any] = yaml.safe_load(home.kubeconfig.read_text())
        [entry] = kubeconfig["clusters"]
        relay = Relay(int(entry["cluster"]["server"].rpartition(":")[2]))
        entry["cluster"]["server"] = f"https://127.0.0.1:{relay.port}"
        through = home.root / "through-relay"
        through.write_text(yaml.safe_dump(kubeconfig))
        engine = replace(amd.engine, env={**amd.engine.env, "KUBECONFIG": str(through)})
        components = Components(ControlPlane(home.cluster, {}, isolated=False))
        try:
            with connect(home.host_kubeconfig) as api:
                yield Stage(cluster, relay, api, replace(amd, engine=engine), components)
        finally:
            components.stop()
            relay.shutdown()
            relay.server_close()
            relay.release()
            relay.cut()
