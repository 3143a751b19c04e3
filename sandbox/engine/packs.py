"""Policy packs, and whatever else is a plugin in Python: what the official language host does to run one."""

import queue
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import grpc
from pulumi.runtime.proto import language_pb2 as pb

from sandbox.home import CHECKOUT

Chunk = tuple[str, bytes]

_TIED = (
    f"import os, sys; sys.path.insert(0, {str(CHECKOUT)!r}); from sandbox.cluster.namespaces import die_with_parent; "
    "die_with_parent(); os.execv(sys.argv[1], sys.argv[1:])"
)
"""Becomes another program that does not outlive a killed engine, and us with it. A step of its own: forking Python code
from a process that gRPC's threads work in now and then ends in a crash."""


def run(request: pb.RunPluginRequest, context: Any) -> Iterator[pb.RunPluginResponse]:
    """Run the plugin's `__main__.py` in its own virtual environment until it, or the engine's interest in it, ends."""
    folder = Path(request.info.program_directory)
    options = dict(request.info.options)
    environment = folder / str(options.get("virtualenv") or "venv")
    python = environment / "bin" / "python"
    if not python.is_file():
        make = f"python3 -m venv {shlex.quote(str(environment))} && {shlex.quote(str(python))} -m pip install -r "
        requirements = shlex.quote(str(folder / "requirements.txt"))
        context.abort(
            grpc.StatusCode.UNKNOWN,
            f"{folder} has no virtual environment {environment.name}, which its runtime.options name; make it with\n"
            f"  {make}{requirements}",
        )
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _TIED, str(python), str(folder), *request.args],
        cwd=request.pwd,
        env=dict(variable.split("=", 1) for variable in request.env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    context.add_callback(process.kill)
    for channel, line in _output(process):
        yield pb.RunPluginResponse(stdout=line) if channel == "stdout" else pb.RunPluginResponse(stderr=line)
    yield pb.RunPluginResponse(exitcode=process.wait())


def _output(process: "subprocess.Popen[bytes]") -> Iterator[Chunk]:
    """Lines of both channels as they come."""
    lines: queue.SimpleQueue[Chunk] = queue.SimpleQueue()

    def read(channel: str, stream: IO[bytes]) -> None:
        for line in stream:
            lines.put((channel, line))
        lines.put((channel, b""))

    assert process.stdout and process.stderr
    for channel, stream in (("stdout", process.stdout), ("stderr", process.stderr)):
        threading.Thread(target=read, args=(channel, stream), daemon=True).start()
    open_channels = 2
    while open_channels:
        channel, line = lines.get()
        if line:
            yield channel, line
        else:
            open_channels -= 1
