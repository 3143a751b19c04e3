"""The control plane: its start, its end, its network and its data; and commands inside a sandbox."""

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.cluster import lifecycle
from sandbox.cluster.api import connect
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


def get(sandbox: Running, path: str) -> dict[str, object]:
    with connect(sandbox.host_kubeconfig) as api:
        return api.get(path)


def identity(sandbox: Running) -> object:
    metadata = get(sandbox, "/api/v1/namespaces/default")["metadata"]
    assert isinstance(metadata, dict)
    return metadata["uid"]


def kill_keeper(home: Home) -> None:
    keeper = lifecycle.last_keeper(home.cluster)
    assert keeper
    assert keeper.end(signal.SIGKILL, 10)


def test_nothing_listens_outside_127_0_0_1_and_memory_is_modest(cluster: Running) -> None:
    pids = set(running.processes(cluster.home))
    assert len(pids) >= 6  # etcd, API server, controllers, scheduler, pod runner, keeper
    assert running.listening(pids) == LOCALHOST
    assert running.memory(pids) < GIGABYTE


def test_the_private_network_has_no_route_outside(cluster: Running) -> None:
    reach = "import socket, sys; socket.create_connection((sys.argv[1], 53), timeout=0.5)"
    outside = cluster.run(sys.executable, "-c", reach, "1.1.1.1")
    assert "OSError" in outside.stderr or "TimeoutError" in outside.stderr


@pytest.mark.thorough
def test_data_survive_stop_and_kill_and_sandboxes_are_independent(cluster: Running, home: Home) -> None:
    others, other_processes = identity(cluster), set(running.processes(cluster.home))
    sandbox = running.start(home)
    own, config = identity(sandbox), home.host_kubeconfig.read_text()
    assert own != others
    guest = subprocess.Popen([*sandbox.enter, "sh", "-c", "echo up; sleep 1000"], stdout=subprocess.PIPE)
    assert guest.stdout
    assert guest.stdout.readline() == b"up\n"
    late = sandbox.enter
    kill_keeper(home)
    guest.stdout.close()
    assert guest.wait(10) == 128 + signal.SIGKILL
    assert not running.processes(home)
    with pytest.raises(SandboxError, match="make up"):
        lifecycle.enter(home)
    refused = subprocess.run([*late, "true"], capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert refused.stderr == "true: the sandbox has been stopped: start it with `make up`\n"
    running.start(home)
    assert identity(sandbox) == own
    assert home.host_kubeconfig.read_text() == config  # the same port, so that a kubeconfig in use stays valid
    assert lifecycle.stop(home, Progress())
    assert not running.processes(home)
    assert not lifecycle.stop(home, Progress())
    assert identity(cluster) == others
    assert other_processes <= set(running.processes(cluster.home))


START = "from tests.sandbox import running; running.start(running.Home.of(name={name!r}))"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
@pytest.mark.parametrize("seconds", [0.6, pytest.param(2.0, marks=pytest.mark.thorough)])
def test_an_interrupted_start_leaves_nothing(home: Home, number: signal.Signals, seconds: float) -> None:
    starter = subprocess.Popen(
        [sys.executable, "-c", START.format(name=home.name)], cwd=CHECKOUT, stderr=subprocess.DEVNULL
    )
    assert soon(lambda: any("kube-apiserver" in one for one in running.processes(home).values()), 10)
    time.sleep(seconds)  # at a random moment
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


def test_a_later_process_with_the_keepers_number_is_no_keeper(tmp_path: Path) -> None:
    lifecycle.Keeper(os.getpid(), "another boot:1", 1, True).write(tmp_path)
    keeper = lifecycle.last_keeper(tmp_path)
    assert keeper
    assert not keeper.alive
    assert keeper.end(signal.SIGKILL, 1)  # this process still runs
    (tmp_path / "keeper.json").write_text(json.dumps({"half": "written"}))
    assert lifecycle.last_keeper(tmp_path) is None


@pytest.mark.parametrize("name", ["Default", "a/b", "..", "x" * 33, "-a"])
def test_a_name_that_is_no_folder_is_refused(name: str) -> None:
    with pytest.raises(SandboxError, match="SANDBOX"):
        Home.of(CHECKOUT, name)


@pytest.mark.thorough
def test_without_namespaces_everything_stays_on_127_0_0_1(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(lifecycle.NO_NAMESPACES, "1")
    sandbox = running.start(home)
    assert "No private network" in capsys.readouterr().err
    assert lifecycle.enter(home) == []
    own = identity(sandbox)
    pids = set(running.processes(home))
    assert len(pids) >= 6
    assert running.listening(pids) == LOCALHOST
    kill_keeper(home)
    assert soon(lambda: not pids & running.processes(home).keys(), 10)
    running.start(home)
    assert identity(sandbox) == own
    lifecycle.stop(home, Progress())
    assert not running.processes(home)
    monkeypatch.delenv(lifecycle.NO_NAMESPACES)
    with pytest.raises(SandboxError, match="PURGE"):  # its recorded flags are for a private network
        running.start(home)


def test_in_ci_missing_namespaces_are_an_error(home: Home) -> None:
    start = f'{sys.executable} -c "{START.format(name=home.name)}"'
    refusing = [
        "unshare",
        "--user",
        "--map-root-user",
        "sh",
        "-c",
        f"echo 0 > /proc/sys/user/max_net_namespaces; {start}",
    ]
    environment = {**os.environ, "CI": "true"}
    done = subprocess.run(
        refusing, cwd=CHECKOUT, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert "in CI nothing takes their place" in done.stderr
    assert not running.processes(home)


def test_a_command_keeps_folder_environment_and_exit_code(cluster: Running, tmp_path: Path) -> None:
    done = subprocess.run(
        [*cluster.enter, "sh", "-c", 'pwd; echo "$GREETING"; exit 7'],
        cwd=tmp_path,
        env={**os.environ, "GREETING": "good day"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (7, f"{tmp_path}\ngood day\n")
    assert cluster.run("sh", "-c", "kill -KILL $$").returncode == 128 + signal.SIGKILL
    absent = cluster.run("no-such-command")
    assert absent.returncode == 127
    assert absent.stderr == "no-such-command: No such file or directory\n"


@pytest.mark.parametrize("send", ["terminal", "SIGTERM", "SIGINT"])
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
