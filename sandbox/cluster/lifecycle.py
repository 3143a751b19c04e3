"""Starts, enters, stops and deletes the control plane of one sandbox, and records the process that holds it.

The files are the same after a stop and after a kill (etcd's log survives both), so a start recovers from both.
"""

import fcntl
import json
import os
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import zip_longest
from pathlib import Path

from sandbox.cluster import control_plane, crds, keeper
from sandbox.cluster.control_plane import Admission, ControlPlane
from sandbox.errors import SandboxError
from sandbox.home import CHECKOUT, Home
from sandbox.progress import Progress
from sandbox.toolchain import SIMULATION, provide


@dataclass(frozen=True)
class Keeper:
    """A running keeper: its process on the host, and the host ports of API server and gateways."""

    pid: int
    started: str
    port: int
    isolated: bool
    gateway_ports: tuple[int, ...] = ()

    def write(self, folder: Path) -> None:
        """Write the record to `folder` atomically."""
        unfinished = folder / "keeper.unfinished"
        unfinished.write_text(json.dumps(asdict(self)))
        unfinished.rename(folder / "keeper.json")

    @property
    def alive(self) -> bool:
        """Whether the same process still runs."""
        return start_of(self.pid) == self.started

    @property
    def has_users(self) -> bool:
        """Whether containers can run as different users: the keeper's user namespace has more than one user."""
        mapped = Path(f"/proc/{self.pid}/uid_map").read_text().splitlines()
        return sum(int(line.split()[2]) for line in mapped) > 1

    def end(self, signal_number: int, seconds: float) -> bool:
        """Send a signal, wait; return whether the process is gone."""
        if not self.alive:
            return True
        try:
            handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return True
        try:
            signal.pidfd_send_signal(handle, signal_number)
            ended = select.poll()  # select.select takes only small file descriptors
            ended.register(handle, select.POLLIN)
            return bool(ended.poll(seconds * 1000))
        except ProcessLookupError:
            return True
        finally:
            os.close(handle)


def last_keeper(folder: Path) -> Keeper | None:
    """Return the last recorded keeper, running or not."""
    try:
        return Keeper(**json.loads((folder / "keeper.json").read_text()))
    except (OSError, ValueError, TypeError):
        return None


def start_of(pid: int) -> str:
    """Return when process `pid` was started (boot, and clock ticks since then); "" if there is no such process."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else f"{boot}:{fields[19]}"


NO_NAMESPACES = "SANDBOX_NO_NAMESPACES"
"""Environment variable. If it is set, the sandbox runs as on a machine that refuses namespaces."""


GATEWAYS = 4
"""Number of Gateways that get a port on the host at the same time."""


class _Refused(Exception):
    """This machine does not allow namespaces."""


def running(home: Home) -> bool:
    """Whether the sandbox's control plane is up."""
    keeper = last_keeper(home.cluster)
    return keeper is not None and keeper.alive


def isolated(home: Home) -> bool:
    """Whether the running sandbox has namespaces of its own."""
    return _keeper(home).isolated


def enter(home: Home) -> list[str]:
    """Return the prefix of a command that runs it inside the running sandbox.

    The command keeps terminal, working directory, environment and exit code, and receives Ctrl-C. When it ends or is
    killed, its children end, too. Without namespaces, the list is empty.
    """
    keeper = _keeper(home)
    return [*_python("namespaces"), str(keeper.pid)] if keeper.isolated else []


def start(home: Home, tools: Mapping[str, Path], report: Progress, admission: Admission | None = None) -> bool:
    """Start the control plane and apply the CRDs; return False if it was already running.

    With `admission` None, the settings of the last start stay. `tools` maps the names of `toolchain.SANDBOX` to their
    files. A start that fails or is interrupted, even by SIGKILL, leaves no process behind. Raises `SandboxError`.
    """
    if sys.platform != "linux":
        raise SandboxError(
            f"the sandbox needs Linux (namespaces, /proc); this is {sys.platform}. The same program runs against any "
            "real cluster, or against one from `kind`: `pulumi up --stack amd` with that cluster's context."
        )
    with _locked(home, report):
        if running(home):
            return False
        step = f"starting Kubernetes {control_plane.KUBERNETES}"
        with report.step(step):
            refusal = (
                f"{NO_NAMESPACES} is set" if os.environ.get(NO_NAMESPACES) else _try_isolated(home, tools, admission)
            )
        if refusal and os.environ.get("CI") and not os.environ.get(NO_NAMESPACES):
            raise SandboxError(
                f"this machine refuses namespaces ({refusal}), and in CI nothing takes their place: run as "
                f"root, allow unprivileged user namespaces, or set {NO_NAMESPACES}=1 to accept simulated readiness"
            )
        if refusal:
            simulation = provide(SIMULATION, report)
            with report.step(f"{step} without a private network"):
                _launch(home, {**tools, **simulation}, admission, isolated=False)
            report.say(
                f"No private network ({refusal}). READINESS IS SIMULATED: pods run nothing and no request is answered. "
                "Every part listens on 127.0.0.1 of this machine instead, where its other users can reach it, and a "
                "killed command may leave processes behind."
            )
        elif not _keeper(home).has_users:
            report.say(
                "Container users are not simulated here: every container runs as this user, whatever its image or "
                "securityContext says. With the commands newuidmap and newgidmap (package uidmap, or shadow) and 65536 "
                "ids in /etc/subuid and /etc/subgid they are: `make down`, then `make up`."
            )
        return True


def has_users(home: Home) -> bool:
    """Whether containers of the running sandbox can run as different users."""
    return _keeper(home).has_users


def stop(home: Home, report: Progress) -> bool:
    """End all processes of the sandbox; the data stay. Return False if it was not running."""
    with _locked(home, report):
        return _stop(home)


def throw_away(home: Home, report: Progress) -> None:
    """Stop the sandbox and delete all its files."""
    with _locked(home, report):
        _stop(home)
        if home.root.exists():
            try:
                shutil.rmtree(home.root)
            except PermissionError:
                subprocess.run([*_python("namespaces", "delete_folder"), str(home.root)], check=True)


def _keeper(home: Home) -> Keeper:
    keeper = last_keeper(home.cluster)
    if keeper is None or not keeper.alive:
        raise SandboxError(f"the sandbox {home.name!r} isn't running: start it with `make up`")
    return keeper


def _stop(home: Home) -> bool:
    keeper = last_keeper(home.cluster)
    was_running = keeper is not None and keeper.alive
    if keeper and not (keeper.end(signal.SIGTERM, 5) or keeper.end(signal.SIGKILL, 10)):
        raise SandboxError(f"process {keeper.pid}, which holds the sandbox {home.name!r}, survives SIGKILL")
    return was_running


@contextmanager
def _locked(home: Home, report: Progress) -> Iterator[None]:
    home.lock.parent.mkdir(parents=True, exist_ok=True)
    with home.lock.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with report.step(f"waiting for another command that starts or stops the sandbox {home.name!r}"):
                fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _try_isolated(home: Home, tools: Mapping[str, Path], admission: Admission | None) -> str | None:
    try:
        _launch(home, tools, admission, isolated=True)
    except _Refused as refusal:
        return str(refusal)
    return None


def _launch(home: Home, tools: Mapping[str, Path], admission: Admission | None, *, isolated: bool) -> None:
    """Start a keeper, wait until its API server serves, apply the CRDs, then send "keep"."""
    parts = ControlPlane(home.cluster, {}, isolated)
    if misfit := parts.misfit():
        raise SandboxError(f"the sandbox {home.name!r} {misfit}: throw it away with `make down PURGE=1`")
    if not parts.exists:
        from sandbox.cluster import certificates  # noqa: PLC0415  (0.1 s, which only a new sandbox needs)

        parts.begin()
        certificates.make(home.cluster, parts.port, control_plane.ADDRESSES)
    if admission:
        admission.write(home.cluster)
    home.logs.mkdir(exist_ok=True)
    starter_end, keeper_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    starter_end.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    last = last_keeper(home.cluster)
    before = [last.port, *last.gateway_ports] if last else []
    listening = [_listen(port) for port, _ in zip_longest(before, range(1 + GATEWAYS))] if isolated else []
    gateways = {one.fileno(): int(one.getsockname()[1]) for one in listening[1:]}
    plan = {
        "folder": str(home.cluster),
        "tools": {name: str(path) for name, path in tools.items()},
        "isolated": isolated,
        "lifeline": keeper_end.fileno(),
        "forwards": [{"fd": one.fileno(), "port": parts.port} for one in listening[:1]],
        "companions": str(keeper.write_plan(home.root, home.kubeconfig, tools, gateways, isolated=isolated)),
        "logs": str(home.logs),
    }
    inherited = [end.fileno() for end in (keeper_end, *listening)]
    with starter_end, (home.logs / "keeper.log").open("ab") as log:
        subprocess.Popen(
            [*_python("keeper"), json.dumps(plan)],
            pass_fds=inherited,
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        keeper_end.close()
        pid = _hear(starter_end, "started", home)
        _hear(starter_end, "ready", home)
        port = listening[0].getsockname()[1] if listening else parts.port
        for one in listening:
            one.close()
        seen_from_host = re.sub(r"(server: https://127\.0\.0\.1:)\d+", rf"\g<1>{port}", home.kubeconfig.read_text())
        home.host_kubeconfig.write_text(seen_from_host)
        home.host_kubeconfig.chmod(0o600)
        crds.apply(home.host_kubeconfig, tools["crds"])
        Keeper(pid, start_of(pid), port, isolated, tuple(gateways.values())).write(home.cluster)
        starter_end.send(b"keep")


def _hear(lifeline: socket.socket, expected: str, home: Home) -> int:
    """Wait for the keeper's next message; return the sender's process number, as the kernel reports it."""
    data, ancillary, _, _ = lifeline.recvmsg(65536, socket.CMSG_SPACE(struct.calcsize("3i")))
    message = json.loads(data) if data else {"failed": f"it ended without a message; see {home.logs / 'keeper.log'}"}
    if "refused" in message:
        raise _Refused(message["refused"])
    if expected not in message:
        raise SandboxError(
            f"the control plane of the sandbox {home.name!r} did not start:\n{message['failed']}\n"
            "Nothing of it is left running. Try again; if it persists, `make down PURGE=1` starts from nothing."
        )
    return int(struct.unpack("3i", ancillary[0][2])[0])


def _listen(wanted: int | None) -> socket.socket:
    """Listen on the host, on the same port as last time if it is free."""
    for port in (wanted or 0, 0):
        try:
            return socket.create_server(("127.0.0.1", port), backlog=128)
        except OSError:
            continue
    raise SandboxError("no port of 127.0.0.1 is free")


def _python(module: str, function: str = "main") -> list[str]:
    """Return the prefix of a command that runs a module of this folder with only the standard library."""
    path = f"import sys; sys.path.insert(0, {str(CHECKOUT)!r})"
    code = f"{path}; from sandbox.cluster.{module} import {function}; {function}()"
    return [sys.executable, "-I", "-S", "-c", code]
