"""The control plane: its start and its addresses, commands inside a sandbox, and watches across interruptions."""

import io
import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
from urllib3 import HTTPResponse

from access.server import ApiServer
from sandbox.cluster import lifecycle
from sandbox.cluster.api import Api
from sandbox.errors import SandboxError
from sandbox.home import CHECKOUT, Home
from sandbox.progress import Progress
from tests.sandbox import running
from tests.sandbox.running import Running, soon

GIGABYTE = 1024**3
LOCALHOST = {"0100007F"}


@pytest.fixture
def home() -> Iterator[Home]:
    """A second sandbox beside the session's."""
    home = running.private_home("own")
    try:
        yield home
    finally:
        running.throw_away(home)


def test_nothing_listens_outside_127_0_0_1_and_memory_is_modest(cluster: Running) -> None:
    pids = set(running.processes(cluster.home))
    assert len(pids) >= 6  # etcd, API server, controllers, scheduler, pod runner, keeper
    assert running.listening(pids) == LOCALHOST
    assert running.memory(pids) < GIGABYTE


def test_the_private_network_has_no_route_outside(cluster: Running) -> None:
    reach = "import socket, sys; socket.create_connection((sys.argv[1], 53), timeout=0.5)"
    outside = cluster.run(sys.executable, "-c", reach, "1.1.1.1")
    assert "OSError" in outside.stderr or "TimeoutError" in outside.stderr


START = "from tests.sandbox import running; running.start(running.Home.of(name={name!r}))"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_an_interrupted_start_leaves_nothing(home: Home, number: signal.Signals) -> None:
    starter = subprocess.Popen(
        [sys.executable, "-c", START.format(name=home.name)], cwd=CHECKOUT, stderr=subprocess.DEVNULL
    )
    assert soon(lambda: any("kube-apiserver" in one for one in running.processes(home).values()), 10)
    time.sleep(0.6)  # in the middle
    starter.send_signal(number)
    starter.wait(10)
    assert soon(lambda: not running.processes(home))
    assert soon(lambda: not home.cluster.exists())
    assert not lifecycle.running(home)


def test_a_failed_start_reports_the_reason_and_leaves_nothing(home: Home, tmp_path: Path) -> None:
    broken = tmp_path / "kube-apiserver"
    broken.write_text("#!/bin/sh\necho this machine is too old >&2\nexit 3\n")
    broken.chmod(0o755)
    with pytest.raises(SandboxError) as failure:
        lifecycle.start(home, {**running.tools(), "kube-apiserver": broken}, Progress())
    assert "this machine is too old" in str(failure.value)
    assert soon(lambda: not running.processes(home))
    assert not home.cluster.exists()


def test_in_ci_missing_namespaces_are_an_error(home: Home) -> None:
    start = f'{sys.executable} -c "{START.format(name=home.name)}"'
    refusing = ["unshare", "--user", "--map-root-user", "sh", "-c"]
    environment = {**os.environ, "CI": "true"}
    command = [*refusing, f"echo 0 > /proc/sys/user/max_net_namespaces; {start}"]
    done = subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "in CI nothing takes their place" in done.stderr
    assert not running.processes(home)


@pytest.mark.parametrize("send", ["terminal", "SIGTERM"])
def test_a_command_receives_ctrl_c_and_signals_once_and_ends_itself(cluster: Running, send: str) -> None:
    script = (
        "import signal, sys, time\n"
        "heard = []\n"
        "for one in (signal.SIGINT, signal.SIGTERM): signal.signal(one, lambda number, _: heard.append(number))\n"
        "print('up', flush=True)\n"
        "while not heard: time.sleep(0.01)\n"
        "time.sleep(0.2)\n"
        "print('heard', *heard, flush=True); sys.exit(5)"
    )
    child, terminal = pty.fork()
    if child == 0:
        os.execv(sys.executable, [*cluster.enter, sys.executable, "-c", script])
    said = b""
    while b"up" not in said:
        said += os.read(terminal, 1000)
    if send == "terminal":
        os.write(terminal, b"\x03")
    else:
        os.kill(child, getattr(signal, send))
    while b"heard" not in said or not said.endswith(b"\n"):
        said += os.read(terminal, 1000)
    number = signal.SIGTERM if send == "SIGTERM" else signal.SIGINT
    assert f"heard {number:d}\r\n".encode() in said
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 5
    os.close(terminal)


class Forgetful:
    """An API server with watches that end at once, and a second list without the first one's object."""

    def __init__(self) -> None:
        self._lists = iter(([{"metadata": {"name": "vanishing", "uid": "1"}}], []))

    def urlopen(self, method: str, url: str, **_: object) -> HTTPResponse:
        head = {"kind": "ConfigMapList", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}}
        text = b"" if "watch=true" in url else json.dumps({**head, "items": next(self._lists)}).encode()
        return HTTPResponse(io.BytesIO(text), status=200, preload_content="watch=true" not in url)


def test_an_object_that_vanished_between_watches_is_deleted() -> None:
    watch = Api(cast("ApiServer", Forgetful())).watch("/api/v1/configmaps")
    events = [next(watch) for _ in range(3)]
    assert [(kind, one.get("metadata", {}).get("name")) for kind, one in events] == [
        ("ADDED", "vanishing"),
        ("SYNCED", None),
        ("DELETED", "vanishing"),
    ]
