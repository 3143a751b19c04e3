"""`python -m sandbox.pods <plan.json>`: the pod runner, started by the keeper inside a sandbox.

It follows pods and nodes in the API server and runs each pod on a node of the sandbox.
"""

import asyncio
import json
import os
import ssl
import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from sandbox.cluster import namespaces
from sandbox.cluster.api import Api, ApiError, Object, connect
from sandbox.errors import SandboxError
from sandbox.pods import nodes
from sandbox.pods.nodes import Heartbeat, Node
from sandbox.pods.pod import Container, Pod
from sandbox.pods.runtime import Launcher, Runtime, path_of
from sandbox.pods.volumes import Tokens

_BOUND = "spec.nodeName!="
_OVER = ("Succeeded", "Failed")


@dataclass
class _Life:
    pod: Pod
    task: asyncio.Task[None]


@dataclass
class Runner:
    """The kubelet of all nodes. `certificates` are the kubelets' server certificates."""

    runtime: Runtime
    certificates: ssl.SSLContext
    _nodes: dict[str, Node] = field(default_factory=dict)
    _lives: dict[str, _Life] = field(default_factory=dict)
    _bound: dict[str, Object] = field(default_factory=dict)
    _addresses: nodes.Addresses = field(default_factory=nodes.Addresses)
    _synced: bool = False

    def __post_init__(self) -> None:
        self._heartbeat = Heartbeat(self.runtime.api)

    async def run(self) -> None:
        """Run until cancelled. Raises the error that ends a watch: `SandboxError`, `ApiError`."""
        broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        beating = asyncio.create_task(self._heartbeat.beat())
        self._follow("/api/v1/nodes", "", self._hear_of_node, broken)
        self._follow("/api/v1/pods", _BOUND, self._hear_of_pod, broken)
        try:
            await broken
        finally:
            beating.cancel()

    def _follow(
        self, path: str, selector: str, hear: Callable[[str, Object], None], broken: asyncio.Future[None]
    ) -> None:
        loop = asyncio.get_running_loop()
        query = {"fieldSelector": selector} if selector else {}

        def follow() -> None:
            try:
                for kind, one in self.runtime.api.watch(path, **query):
                    loop.call_soon_threadsafe(hear, kind, one)
            except (SandboxError, ApiError) as error:
                loop.call_soon_threadsafe(broken.set_exception, error)

        threading.Thread(target=follow, daemon=True).start()

    def _hear_of_node(self, kind: str, node: Object) -> None:
        if kind == "SYNCED":
            return
        self._heartbeat.hear(kind, node)
        name = node["metadata"]["name"]
        if kind == "DELETED":
            for life in [life for life in self._lives.values() if life.pod.object["spec"]["nodeName"] == name]:
                life.pod.vanish()
            if gone := self._nodes.pop(name, None):
                gone.close()
        elif name not in self._nodes and (address := _address(node)):
            self._nodes[name] = Node(address, self.certificates, self._containers_of)
            for pod in [pod for pod in self._bound.values() if pod["spec"]["nodeName"] == name]:
                self._consider(pod)

    def _hear_of_pod(self, kind: str, pod: Object) -> None:
        if kind == "SYNCED":
            self._begin()
            return
        uid = pod["metadata"]["uid"]
        if kind == "DELETED":
            self._bound.pop(uid, None)
            if life := self._lives.get(uid):
                life.pod.vanish()
            return
        self._bound[uid] = pod
        if self._synced:
            self._consider(pod)

    def _begin(self) -> None:
        """Start existing pods, after marking all their addresses as used."""
        if self._synced:
            return
        self._synced = True
        for pod in self._bound.values():
            if address := pod.get("status", {}).get("podIP"):
                self._addresses.take(address)
        for pod in list(self._bound.values()):
            self._consider(pod)

    def _consider(self, pod: Object) -> None:
        metadata = pod["metadata"]
        life, node = self._lives.get(metadata["uid"]), self._nodes.get(pod["spec"]["nodeName"])
        if life:
            life.pod.update(pod)
            life.pod.insist()
            if metadata.get("deletionTimestamp"):
                life.pod.terminate(metadata.get("deletionGracePeriodSeconds", 0))
        elif metadata.get("deletionTimestamp"):
            asyncio.get_running_loop().run_in_executor(None, _delete, self.runtime.api, pod)
        elif node and pod.get("status", {}).get("phase") not in _OVER:
            self._start(pod, node)

    def _start(self, pod: Object, node: Node) -> None:
        metadata = pod["metadata"]
        before = [life.task for life in self._lives.values() if path_of(life.pod.object) == path_of(pod)]
        on_host = bool(pod["spec"].get("hostNetwork"))
        address = node.address if on_host else pod.get("status", {}).get("podIP") or self._addresses.give()
        life = Pod(pod, self.runtime, node, address)
        task = asyncio.create_task(self._live(life, before))
        self._lives[metadata["uid"]] = _Life(life, task)

    async def _live(self, pod: Pod, before: list[asyncio.Task[None]]) -> None:
        try:
            if before:  # a pod of the same name that was deleted without grace
                await asyncio.wait(before)
            await pod.run()
        except Exception:  # a bug: other pods go on, and the log has the error
            print(f"pod {pod.namespace}/{pod.name}:\n{traceback.format_exc()}", file=sys.stderr, flush=True)
        finally:
            del self._lives[pod.uid]
            if pod.address != pod.node.address:
                self._addresses.free(pod.address)

    def _containers_of(self, namespace: str, name: str) -> list[Container] | None:
        for life in self._lives.values():
            if (life.pod.namespace, life.pod.name) == (namespace, name):
                return life.pod.containers
        return None


def _address(node: Object) -> str | None:
    addresses = node.get("status", {}).get("addresses") or []
    return next((one["address"] for one in addresses if one["type"] == "InternalIP"), None)


def _delete(api: Api, pod: Object) -> None:
    try:
        api.delete(path_of(pod), gracePeriodSeconds="0")
    except (ApiError, SandboxError):  # already gone, or the sandbox ends
        return


async def _run(plan: dict[str, Any]) -> None:
    root = Path(plan["root"])
    volumes = root / "pods"
    volumes.mkdir(exist_ok=True)
    # A private tmpfs: secrets reach no disk, and the kernel removes it with this process.
    namespaces.unshare(namespaces.NEW_MOUNTS)
    namespaces.make_private()
    namespaces.mount("tmpfs", str(volumes), "mode=700")
    nodes.settle()
    with connect(Path(plan["kubeconfig"])) as api:
        runtime = Runtime(
            api=api,
            launcher=Launcher(gone=lambda: os._exit(1)),  # no process runs any more; the keeper starts the runner again
            tokens=Tokens(api),
            tools=plan["tools"],
            simulator=plan.get("simulator", []),
            root=root,
            volumes=volumes,
            claims=root / "claims",
            logs=root / "logs" / "pods",
        )
        await Runner(runtime, _certificates(Path(plan["kubeconfig"]))).run()


def _certificates(kubeconfig: Path) -> ssl.SSLContext:
    """Return the control plane's certificates for kubelets."""
    (user,) = yaml.load(kubeconfig.read_text(), Loader=yaml.CSafeLoader)["users"]
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(user["user"]["client-certificate"], user["user"]["client-key"])
    return context


def main() -> None:
    """Run until killed; exit with a message if the API server is gone."""
    plan = json.loads(Path(sys.argv[1]).read_text())
    try:
        asyncio.run(_run(plan))
    except (SandboxError, ApiError) as error:
        sys.exit(f"pod runner: {error}")


if __name__ == "__main__":
    main()
