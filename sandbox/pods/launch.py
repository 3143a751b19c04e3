"""The process that starts containers: single-threaded and small, so that a fork takes a millisecond.

It receives requests over a socket and reports the results there. Its containers die with it, and it dies with the pod
runner. Standard library only.
"""

import json
import os
import select
import shutil
import signal
import socket
import sys
from typing import Any, NoReturn

from sandbox.cluster import namespaces
from sandbox.pods import root

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
        root.build(order["root"])
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
