"""Runs the simulator of vLLM on a free port of this machine."""

import http.client
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

from sandbox.progress import Progress
from sandbox.toolchain import provide

NAME = "llm-d-inference-sim"


def free_port() -> int:
    """Return a port on which no process listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(*flags: str) -> Iterator[int]:
    """Run the simulator with these flags; yield its port."""
    port = free_port()
    program = str(provide([NAME], Progress())[NAME])
    command = [program, "--model=m", "--force-dummy-tokenizer", f"--port={port}", *flags]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not _answers(port):
            assert process.poll() is None, f"it ended with {process.returncode}: {command}"
            time.sleep(0.05)
        yield port
    finally:
        process.kill()
        process.wait()


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/metrics")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
