"""Commands inside a sandbox: their environment, their signals, and their end."""

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sandbox.running import Running


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
