"""A sandbox's control plane for tests, and its processes on the machine."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import pytest

from sandbox.cluster import description, lifecycle, nodes
from sandbox.cluster.api import Api, Object
from sandbox.cluster.control_plane import Admission
from sandbox.home import CHECKOUT, Home
from sandbox.progress import Progress
from sandbox.toolchain import SANDBOX, provide


@dataclass(frozen=True)
class Running:
    """A running control plane. A start takes about 5 s, so prefer the session's (fixture `cluster`)."""

    home: Home

    @property
    def host_kubeconfig(self) -> Path:
        """Kubeconfig for the test's own process."""
        return self.home.host_kubeconfig

    @property
    def enter(self) -> list[str]:
        """Prefix of a command that runs inside."""
        return lifecycle.enter(self.home)

    def run(self, *command: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run a command inside and return its output."""
        return subprocess.run([*self.enter, *command], capture_output=True, text=True, timeout=timeout, check=False)


def tools() -> dict[str, Path]:
    return provide(SANDBOX, Progress())


def start(home: Home, admission: Admission | None = None) -> Running:
    """Start the control plane of `home` with the cached tools."""
    lifecycle.start(home, tools(), Progress(), admission)
    return Running(home)


def provide_nodes(cluster: Running, accelerator: str = "amd", count: int | None = 2, chosen: str | None = None) -> None:
    """Make the cluster's nodes those of a description, by default two of an accelerator, as `make up` does."""
    choice = description.choose(cluster.home, chosen)
    nodes.provide(cluster.host_kubeconfig, choice, accelerator, count)


def start_unprivileged(home: Home) -> Running:
    """Start it as a user without privileges: the kernel grants nothing outside a user namespace."""
    code = "import sys; from pathlib import Path; from sandbox.home import Home; from tests.sandbox import running\n"
    code += "running.start(Home(Path(sys.argv[1])))"
    unprivileged = ["unshare", "--user", "--map-user=65534", "--map-group=65534"]
    command = [*unprivileged, sys.executable, "-c", code, str(home.root)]
    subprocess.run(command, cwd=CHECKOUT, check=True, timeout=120)
    return Running(home)


def private_home(purpose: str) -> Home:
    """Return a home of this test process, after deleting homes of killed test runs."""
    for lock in (CHECKOUT / ".sandbox").glob(f"test-{purpose}-*.lock"):
        name = lock.stem
        if not Path("/proc", name.rpartition("-")[2]).exists():
            lifecycle.throw_away(Home.of(CHECKOUT, name), Progress())
            lock.unlink()
    return Home.of(CHECKOUT, f"test-{purpose}-{os.getpid()}")


def throw_away(home: Home) -> None:
    """Delete a sandbox with all its files."""
    lifecycle.throw_away(home, Progress())
    home.lock.unlink()


@contextmanager
def separate(
    purpose: str, admission: Admission | None = None, variables: Mapping[str, str] = MappingProxyType({})
) -> Iterator[Running]:
    """Start a sandbox of this test process with these environment variables; delete it afterwards."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        home = private_home(purpose)
        try:
            yield start(home, admission)
        finally:
            throw_away(home)


def processes(home: Home, *, pods: bool = True) -> dict[int, str]:
    """Return pid → command line of every process of this sandbox.

    These are processes with its folder in their arguments, processes in the keeper's network namespace, and with
    `pods` all other processes that the keeper started.
    """
    keeper = lifecycle.last_keeper(home.cluster)
    started = _descendants(keeper.pid) if pods and keeper and keeper.alive else set()
    network = _link(keeper.pid, "net") if keeper and keeper.alive and keeper.isolated else None
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        pid = int(folder.name)
        try:
            arguments = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if f"{home.root}/" in arguments or pid in started or (network and _link(pid, "net") == network):
            found[pid] = arguments
    found.pop(os.getpid(), None)
    return found


def listening(pids: set[int]) -> set[str]:
    """Return the hexadecimal addresses on which these processes listen in this test's network."""
    inodes = {link for pid in pids for link in _sockets(pid)}
    addresses = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                addresses.add(fields[1].partition(":")[0])
    return addresses


def memory(pids: set[int]) -> int:
    """Return the bytes of memory (PSS) that these processes take together."""
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1]) * 1024
    return total


def token_of(api: Api, name: str, namespace: str = "default", rules: list[Object] | None = None) -> str:
    """Make a ServiceAccount with these rights in its namespace, by default all rights everywhere; return its token."""
    group = "rbac.authorization.k8s.io"
    metadata = {"name": name, "namespace": namespace}
    within = f"/namespaces/{namespace}"
    account = f"/api/v1{within}/serviceaccounts/{name}"
    api.apply(account, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
    binding: Object = {"apiVersion": f"{group}/v1", "kind": "ClusterRoleBinding", "metadata": {"name": name}}
    role, path = {"kind": "ClusterRole", "name": "cluster-admin"}, f"/apis/{group}/v1/clusterrolebindings/{name}"
    if rules is not None:
        head = {"apiVersion": f"{group}/v1", "kind": "Role", "metadata": metadata}
        api.apply(f"/apis/{group}/v1{within}/roles/{name}", {**head, "rules": rules})
        binding |= {"kind": "RoleBinding", "metadata": metadata}
        role, path = {"kind": "Role", "name": name}, f"/apis/{group}/v1{within}/rolebindings/{name}"
    subjects = [{"kind": "ServiceAccount", **metadata}]
    api.apply(path, {**binding, "roleRef": {"apiGroup": group, **role}, "subjects": subjects})
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    return str(api.create(f"{account}/token", request)["status"]["token"])


def soon(condition: Callable[[], bool], seconds: float = 120) -> bool:
    """Wait until the condition holds; False if it doesn't within `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _descendants(pid: int) -> set[int]:
    children = set[int]()
    for task in Path(f"/proc/{pid}/task").glob("*"):
        with suppress(OSError):  # the process has ended meanwhile
            children |= {int(child) for child in (task / "children").read_text().split()}
    return children.union(*map(_descendants, children))


def _link(pid: int, namespace: str) -> str | None:
    try:
        return str(Path(f"/proc/{pid}/ns/{namespace}").readlink())
    except OSError:
        return None


def _sockets(pid: int) -> set[str]:
    found = set()
    for descriptor in Path(f"/proc/{pid}/fd").glob("*"):
        try:
            target = str(descriptor.readlink())
        except OSError:
            continue
        if target.startswith("socket:["):
            found.add(target[8:-1])
    return found
