"""The process that starts containers, each in a root file system of its own.

It is single-threaded and small, so that a fork takes a millisecond. It receives requests over a socket and reports the
results there. Its containers die with it, and it dies with the pod runner. A container's root is a tmpfs with read-only
views of the machine and the pod's volumes, built in the container's first process. Standard library only.
"""

import contextlib
import errno
import json
import os
import select
import shutil
import signal
import socket
import sys
from pathlib import Path
from typing import Any, NoReturn, TypedDict

from sandbox.cluster import namespaces

_MERGED = ("bin", "lib", "lib32", "lib64", "libx32", "sbin")
_FROM_ETC = ("alternatives", "ca-certificates", "ld.so.cache", "pki", "ssl")
_FOLDERS = {"proc": 0o555, "dev": 0o755, "etc": 0o755, "tmp": 0o1777, "root": 0o711}
"""Other users may pass through /root: the machine's Python may be below it."""
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_LINKS = {"fd": "", "stdin": "/0", "stdout": "/1", "stderr": "/2"}


class Bind(TypedDict):
    """A file or folder of the machine that the container sees at `target`."""

    source: str
    target: str
    read_only: bool


class Home(TypedDict):
    """A folder of a user and a group, writable for both."""

    path: str
    user: int
    group: int


class Root(TypedDict):
    """The parts of a root; `folder` is an empty folder for it, `whole` adds the machine's programs.

    With `devices` there is a /sys of the container's network namespace.
    """

    folder: str
    whole: bool
    files: dict[str, str]
    executables: dict[str, str]
    home: Home | None
    binds: list[Bind]
    read_only: bool
    devices: bool


def build_root(root: Root) -> None:
    """Build the root and move into it. Raises `OSError` with the failed step."""
    namespaces.make_private()
    folder = Path(root["folder"])
    namespaces.mount("tmpfs", str(folder), "mode=755")
    for name, mode in _FOLDERS.items():
        (folder / name).mkdir()
        (folder / name).chmod(mode)
    namespaces.mount("proc", str(folder / "proc"))
    _devices(folder)
    _machine(folder, whole=root["whole"])
    if root["devices"]:
        _sys(folder)
    for path, text in (root["files"] | root["executables"]).items():
        _write(_below(folder, path), text, 0o755 if path in root["executables"] else 0o644)
    if root["home"]:
        _home(folder, root["home"])
    for bind in sorted(root["binds"], key=lambda one: one["target"].count("/")):
        try:
            _show(folder, bind["source"], bind["target"], read_only=bind["read_only"])
        except OSError as error:
            text = f"cannot mount {bind['source']} at {bind['target']}: {error.strerror}"
            raise OSError(error.errno, text) from None
    if root["read_only"]:
        namespaces.set_read_only(str(folder))
    namespaces.change_root(str(folder))


def _home(folder: Path, home: Home) -> None:
    place = _below(folder, home["path"])
    place.mkdir(parents=True)
    place.chmod(0o775)
    # In a user namespace with one user, every container runs as that user.
    with contextlib.suppress(OSError):
        os.chown(place, home["user"], home["group"])


def _devices(folder: Path) -> None:
    for name in _DEVICES:
        _show(folder, f"/dev/{name}", f"/dev/{name}", read_only=False)
    for name, end in _LINKS.items():
        (folder / "dev" / name).symlink_to(f"/proc/self/fd{end}")
    (folder / "dev" / "shm").mkdir()
    namespaces.mount("tmpfs", str(folder / "dev" / "shm"), "mode=1777,size=64m")


def _machine(folder: Path, *, whole: bool) -> None:
    for name in _FROM_ETC:
        if Path("/etc", name).exists():
            _show(folder, f"/etc/{name}", f"/etc/{name}", read_only=True)
    if not whole:
        return
    _show(folder, "/usr", "/usr", read_only=True)
    for name in _MERGED:
        own = Path("/", name)
        if own.is_symlink():
            (folder / name).symlink_to(own.readlink())
        elif own.is_dir():
            _show(folder, str(own), str(own), read_only=True)


def _sys(folder: Path) -> None:
    """Mount the /sys of this process's network namespace, where UCX finds the network interfaces.

    The folder of NUMA nodes is hidden: with it, vLLM's NIXL connector pins every engine to the last core of a machine
    (`discover_numa_topology`, vLLM 0.17.1).
    """
    place = folder / "sys"
    place.mkdir()
    namespaces.mount("sysfs", str(place))
    namespaces.set_read_only(str(place))
    nodes = place / "devices/system/node"
    if nodes.is_dir():
        namespaces.mount("tmpfs", str(nodes), "mode=555")


def _show(folder: Path, source: str, target: str, *, read_only: bool) -> None:
    place = _below(folder, target)
    is_folder = Path(source).is_dir()
    if not os.path.lexists(place):
        try:
            _make(place, is_folder=is_folder)
        except OSError as error:
            if error.errno != errno.EROFS:
                raise
            _make_writable(folder, place)
            _make(place, is_folder=is_folder)
    namespaces.bind(source, str(place), read_only=read_only)


def _make(place: Path, *, is_folder: bool) -> None:
    if is_folder:
        place.mkdir(parents=True)
    else:
        _write(place, "", 0o644)


def _make_writable(folder: Path, place: Path) -> None:
    """Make a read-only folder writable: cover it with a new folder of links to its files."""
    covered = next(parent for parent in place.parents if parent.exists())
    kept = Path("/.kept") / covered.relative_to(folder)
    _below(folder, str(kept)).mkdir(parents=True)
    namespaces.bind(str(covered), str(_below(folder, str(kept))), read_only=True)
    namespaces.mount("tmpfs", str(covered), "mode=755")
    for entry in _below(folder, str(kept)).iterdir():
        (covered / entry.name).symlink_to(kept / entry.name)


def _write(file: Path, text: str, mode: int) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(mode)


def _below(folder: Path, path: str) -> Path:
    return folder / path.lstrip("/")


MESSAGE_BYTES = 200_000
"""The largest request; the kernel's usual limit for one message."""
START_ERROR = 128
"""Exit code of a container if its program never ran, as in container engines."""

_Order = dict[str, Any]


def main() -> NoReturn:
    """Serve the socket (the first argument is its descriptor) until it closes."""
    namespaces.die_with_parent()
    control = socket.socket(fileno=int(sys.argv[1]))
    _Launcher(control).serve()


class _Launcher:
    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._own_pids = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
        self._children: dict[int, int] = {}

    def serve(self) -> NoReturn:
        wake, woken = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
        while True:
            ready = select.select([self._control, wake], [], [])[0]
            if wake in ready:
                os.read(wake, 4096)
                self._collect()
            if self._control in ready:
                self._obey()

    def _obey(self) -> None:
        data, files, _, _ = socket.recv_fds(self._control, MESSAGE_BYTES, 2, socket.MSG_CMSG_CLOEXEC)
        if not data:
            sys.exit()
        order = json.loads(data)
        container = "root" in order
        if container:
            namespaces.unshare(namespaces.NEW_PIDS)
        child = os.fork()
        if child == 0:
            signal.set_wakeup_fd(-1)
            (_as_container if container else _inside_container)(order, files, self._control)
        if container:
            namespaces.enter(self._own_pids)
        for file in files:
            os.close(file)
        self._children[child] = order["id"]
        _tell(self._control, order, pid=child)

    def _collect(self) -> None:
        while self._children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            code = os.waitstatus_to_exitcode(status)
            _tell(self._control, {"id": self._children.pop(pid)}, ended=code if code >= 0 else 128 - code)


def _as_container(order: _Order, files: list[int], control: socket.socket) -> NoReturn:
    try:
        namespaces.die_with_parent()
        os.setsid()
        network, output = files
        namespaces.enter(network)
        namespaces.unshare(namespaces.NEW_MOUNTS | namespaces.NEW_HOSTNAME | namespaces.NEW_IPC)
        socket.sethostname(order["hostname"])
        build_root(order["root"])
        _execute(order, output, control)
    except OSError as error:
        _fail(order, control, error)


def _inside_container(order: _Order, files: list[int], control: socket.socket) -> NoReturn:
    """Run a command inside a container; it forks, because only a child enters another process namespace."""
    try:
        namespaces.die_with_parent()
        namespaces.move_into(order["inside"], "net", "uts", "ipc", "pid", "mnt")
        child = os.fork()
        if child == 0:
            namespaces.die_with_parent()
            _execute(order, files[0], control)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        os._exit(code if code >= 0 else 128 - code)
    except OSError as error:
        _fail(order, control, error)


def _execute(order: _Order, output: int, control: socket.socket) -> NoReturn:
    try:
        os.makedirs(order["folder"], exist_ok=True)  # noqa: PTH103
        os.chdir(order["folder"])
        command, environment = order["command"], order["environment"]
        program = shutil.which(command[0], path=environment.get("PATH", os.defpath))
        if program is None:
            raise FileNotFoundError(2, f'exec: "{command[0]}": executable file not found in $PATH')
        os.dup2(os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC), 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        for ignored in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGCHLD):  # Python changes these
            signal.signal(ignored, signal.SIG_DFL)
        rights = order["rights"]
        namespaces.limit(**rights)
        _tell(control, order, started=True)
    except OSError as error:
        _fail(order, control, error)
    try:
        os.execve(program, command, environment)
    except OSError as error:  # for example a dynamically linked program without its loader
        os.write(2, f"exec {program}: {error.strerror}\n".encode())
        os._exit(START_ERROR)


def _fail(order: _Order, control: socket.socket, error: OSError) -> NoReturn:
    _tell(control, order, failed=error.strerror or str(error))
    os._exit(START_ERROR)


def _tell(control: socket.socket, order: _Order, **what: object) -> None:
    control.send(json.dumps({"id": order["id"], **what}).encode())
