"""Stand-in for `pulumi-language-python`: runs the program in the host's own process.

The official host starts a second process with `pulumi-language-python-exec`; what both do for a program happens here.
The program gets the main thread, as it would there, and gRPC's threads serve the engine meanwhile.
"""

import importlib.metadata
import json
import os
import queue
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import language_pb2 as pb
from pulumi.runtime.proto import language_pb2_grpc, plugin_pb2

from sandbox.engine import packs
from sandbox.engine.program import Program
from sandbox.engine.serving import serve

UNSUPPORTED_OPTIONS = {"typechecker"}
"""Settings of `runtime.options` that would make the official host do more than it does here."""

Job = tuple[Program, "futures.Future[pb.RunResponse]"]


class LanguageHost(language_pb2_grpc.LanguageRuntimeServicer):
    """What the CLI asks of a language host for `up`, `preview`, `refresh`, `destroy`, `about` and `install`."""

    def __init__(self, engine_address: str) -> None:
        self.job: queue.SimpleQueue[Job] = queue.SimpleQueue()
        self._started = False
        self._engine_address = engine_address

    def Handshake(self, request: Any, context: Any) -> pb.LanguageHandshakeResponse:
        """The engine says hello."""
        return pb.LanguageHandshakeResponse()

    def GetPluginInfo(self, request: Any, context: Any) -> plugin_pb2.PluginInfo:
        """Our version is the SDK's: they are released together."""
        return plugin_pb2.PluginInfo(version=importlib.metadata.version("pulumi"))

    def GetRequiredPackages(self, request: Any, context: Any) -> pb.GetRequiredPackagesResponse:
        """The resource plugins of the installed provider SDKs, as their pulumi-plugin.json names them."""
        return pb.GetRequiredPackagesResponse(packages=list(_provider_plugins()))

    def About(self, request: Any, context: Any) -> pb.AboutResponse:
        """For `pulumi about`."""
        return pb.AboutResponse(executable=sys.executable, version=sys.version.split(maxsplit=1)[0])

    def GetProgramDependencies(self, request: Any, context: Any) -> pb.GetProgramDependenciesResponse:
        """Installed distributions; without `transitiveDependencies` only those that no other one needs."""
        found = {_canonical(dist.name): dist for dist in importlib.metadata.distributions()}
        names = set(found)
        if not request.transitiveDependencies:
            for dist in found.values():
                names -= {_canonical(re.split(r"[^\w.-]", need, maxsplit=1)[0]) for need in dist.requires or []}
        dependencies = [pb.DependencyInfo(name=found[name].name, version=found[name].version) for name in sorted(names)]
        return pb.GetProgramDependenciesResponse(dependencies=dependencies)

    def RuntimeOptionsPrompts(self, request: Any, context: Any) -> pb.RuntimeOptionsResponse:
        """Nothing to choose: the interpreter is the sandbox's."""
        return pb.RuntimeOptionsResponse()

    def InstallDependencies(self, request: Any, context: Any) -> Iterator[pb.InstallDependenciesResponse]:
        """`pulumi install`: pip, on the interpreter that runs the program."""
        command = [sys.executable, "-m", "pip", "install", "-r", "requirements.txt"]
        cwd = Path(request.info.program_directory or request.directory)
        if not (cwd / "requirements.txt").is_file():
            yield pb.InstallDependenciesResponse(stdout=f"{cwd} has no requirements.txt: nothing to install\n".encode())
            return
        with subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as pip:
            assert pip.stdout
            for line in pip.stdout:
                yield pb.InstallDependenciesResponse(stdout=line)
        if pip.returncode:
            context.abort(grpc.StatusCode.UNKNOWN, f"`{' '.join(command[1:])}` exited with code {pip.returncode}")

    def Run(self, request: pb.RunRequest, context: Any) -> pb.RunResponse:
        """Hand the program to the main thread and wait for it."""
        unsupported = UNSUPPORTED_OPTIONS & set(request.info.options)
        if unsupported:
            names = ", ".join(f"runtime.options.{name}" for name in sorted(unsupported))
            return pb.RunResponse(error=f"{names} in Pulumi.yaml needs the official language host; remove it here")
        if self._started:  # one program a process, so that no module state outlives it
            return pb.RunResponse(error="this language host has run its program; it has to be started anew for another")
        self._started = True
        done: futures.Future[pb.RunResponse] = futures.Future()
        self.job.put((Program(request, self._engine_address), done))
        return done.result()

    def RunPlugin(self, request: pb.RunPluginRequest, context: Any) -> Iterator[pb.RunPluginResponse]:
        """A policy pack."""
        return packs.run(request, context)

    def Cancel(self, request: Any, context: Any) -> empty_pb2.Empty:
        """The engine interrupts the process itself when it is done with us."""
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


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def main() -> None:
    """The process that the CLI starts; its last argument is the engine's address."""
    for interrupt in (signal.SIGINT, signal.SIGTERM):
        signal.signal(interrupt, lambda *_: os._exit(0))
    host = LanguageHost(sys.argv[-1])
    server = serve(lambda server: language_pb2_grpc.add_LanguageRuntimeServicer_to_server(host, server))
    program, done = host.job.get()
    done.set_result(program.run())
    server.wait_for_termination()
