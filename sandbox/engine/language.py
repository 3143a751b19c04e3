"""Stand-in for `pulumi-language-python`: runs programs and policy packs in the host's own process.

The official host starts a second process with `pulumi-language-python-exec`. This module does the work of both. The
program gets the main thread, as in the official host; gRPC's threads serve the engine.
"""

import asyncio
import contextlib
import importlib.metadata
import json
import logging
import os
import queue
import runpy
import shlex
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator
from concurrent import futures
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

import grpc
import pulumi
from google.protobuf import empty_pb2
from pulumi.runtime import reset_options, run_in_stack, set_all_config
from pulumi.runtime.proto import language_pb2 as pb
from pulumi.runtime.proto import language_pb2_grpc, plugin_pb2

from sandbox.engine.plugin import serve
from sandbox.home import CHECKOUT

MONITOR_GONE = "Resource monitor has terminated, shutting down"
"""The SDK's message when the engine has failed and disconnected; the engine has already reported the reason."""


class Program:
    """A program and the settings of one run of it."""

    def __init__(self, request: pb.RunRequest, engine_address: str) -> None:
        self._request = request
        self._engine_address = engine_address

    def run(self) -> pb.RunResponse:
        """Run to the end. `bail` = this process or the engine has already reported the failure."""
        self._configure()
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        workers = max(self._request.parallel, 1) * 4  # as in the official host: each RPC blocks a thread
        loop.set_default_executor(ThreadPoolExecutor(max_workers=workers))
        # A failed run leaves unread futures; asyncio's messages about them would hide the error.
        logging.getLogger("asyncio").setLevel(logging.CRITICAL)
        try:
            loop.run_until_complete(run_in_stack(self._main))
            return pb.RunResponse()
        except BaseException as error:
            return _failure(error)
        finally:
            for task in asyncio.all_tasks(loop):
                task.cancel()
                with contextlib.suppress(BaseException):
                    loop.run_until_complete(task)
            sys.stdout.flush()
            sys.stderr.flush()

    def _configure(self) -> None:
        request = self._request
        reset_options(
            project=request.project,
            stack=request.stack,
            root_directory=request.info.root_directory,
            parallel=request.parallel,
            engine_address=self._engine_address,
            monitor_address=request.monitor_address,
            preview=request.dryRun,
            organization=request.organization or "organization",
        )
        set_all_config(dict(request.config), list(request.configSecretKeys))

    def _main(self) -> None:
        request = self._request
        folder = Path(request.pwd or request.info.program_directory)
        entry = request.program or request.info.entry_point or "."
        os.chdir(folder)
        sys.argv = [entry, *request.args]
        program = folder / entry
        places = [str(program if program.is_dir() else program.parent), request.info.root_directory]
        sys.path[:0] = [place for place in dict.fromkeys(places) if place and place not in sys.path]
        runpy.run_path(str(program), run_name="__main__")


def _failure(error: BaseException) -> pb.RunResponse:
    if isinstance(error, SystemExit):
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
        if isinstance(error.code, str):
            print(error.code, file=sys.stderr)
        return pb.RunResponse(error=f"Program exited with non-zero exit code: {code}" if code else "")
    if _hung_up(error):
        return pb.RunResponse(bail=True)
    if isinstance(error, pulumi.RunError):
        message = str(error)
    else:
        trace = "".join(traceback.format_exception(error))
        message = f"Program failed with an unhandled exception:\n{trace}"
    with contextlib.suppress(grpc.RpcError):
        pulumi.log.error(message)
    return pb.RunResponse(bail=True)


def _hung_up(error: BaseException) -> bool:
    if isinstance(error, grpc.RpcError):
        return error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
    return isinstance(error, pulumi.RunError) and str(error) == MONITOR_GONE


Chunk = tuple[str, bytes]

_TIED = (
    f"import os, sys; sys.path.insert(0, {str(CHECKOUT)!r}); from sandbox.cluster.namespaces import die_with_parent; "
    "die_with_parent(); os.execv(sys.argv[1], sys.argv[1:])"
)
"""Starts a program that ends with this process, which a killed engine ends. It is a separate program, because Python
code after a fork sometimes crashes in a process with gRPC's threads."""


def run(request: pb.RunPluginRequest, context: Any) -> Iterator[pb.RunPluginResponse]:
    """Run the plugin's `__main__.py` in its virtual environment until it ends or the engine disconnects."""
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
    """Yield lines of both channels as they arrive."""
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


UNSUPPORTED_OPTIONS = {"typechecker"}
"""Settings of `runtime.options` that only the official host supports."""

Job = tuple[Program, "futures.Future[pb.RunResponse]"]


class LanguageHost(language_pb2_grpc.LanguageRuntimeServicer):
    """The language host's methods for `up`, `preview`, `refresh` and `destroy`."""

    def __init__(self, engine_address: str) -> None:
        self.job: queue.SimpleQueue[Job] = queue.SimpleQueue()
        self._started = False
        self._engine_address = engine_address

    def Handshake(self, request: Any, context: Any) -> pb.LanguageHandshakeResponse:
        """Answer the engine's first call."""
        return pb.LanguageHandshakeResponse()

    def GetPluginInfo(self, request: Any, context: Any) -> plugin_pb2.PluginInfo:
        """Return the SDK's version: host and SDK are released together."""
        return plugin_pb2.PluginInfo(version=importlib.metadata.version("pulumi"))

    def GetRequiredPackages(self, request: Any, context: Any) -> pb.GetRequiredPackagesResponse:
        """Return the resource plugins in the pulumi-plugin.json of the installed provider SDKs."""
        return pb.GetRequiredPackagesResponse(packages=list(_provider_plugins()))

    def Run(self, request: pb.RunRequest, context: Any) -> pb.RunResponse:
        """Pass the program to the main thread and wait for it."""
        unsupported = UNSUPPORTED_OPTIONS & set(request.info.options)
        if unsupported:
            names = ", ".join(f"runtime.options.{name}" for name in sorted(unsupported))
            return pb.RunResponse(error=f"{names} in Pulumi.yaml needs the official language host; remove it here")
        if self._started:  # one program per process, so that no module state survives
            return pb.RunResponse(error="this language host has run its program; it has to be started anew for another")
        self._started = True
        done: futures.Future[pb.RunResponse] = futures.Future()
        self.job.put((Program(request, self._engine_address), done))
        return done.result()

    def RunPlugin(self, request: pb.RunPluginRequest, context: Any) -> Iterator[pb.RunPluginResponse]:
        """Run a policy pack."""
        return run(request, context)

    def Cancel(self, request: Any, context: Any) -> empty_pb2.Empty:
        """Do nothing: the engine interrupts this process itself."""
        return empty_pb2.Empty()


def _provider_plugins() -> Iterator[plugin_pb2.PackageDependency]:
    for dist in importlib.metadata.distributions():
        if not dist.name.startswith("pulumi"):
            continue
        description = dist.locate_file(f"{dist.name.replace('-', '_')}/pulumi-plugin.json")
        try:
            plugin = json.loads(description.read_text())
        except FileNotFoundError:
            continue
        if plugin.get("resource"):
            name = plugin.get("name") or dist.name.removeprefix("pulumi-")
            version = plugin.get("version") or dist.version
            yield plugin_pb2.PackageDependency(name=name, kind="resource", version=version, server=plugin.get("server"))


def main() -> None:
    """Serve as the process that the CLI starts; the last argument is the engine's address."""
    host = LanguageHost(sys.argv[-1])
    server = serve(lambda server: language_pb2_grpc.add_LanguageRuntimeServicer_to_server(host, server))
    program, done = host.job.get()
    done.set_result(program.run())
    server.wait_for_termination()
