"""Prepares a sandbox for one stack, with its tools and nodes, and runs commands inside."""

import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from sandbox import release
from sandbox.cluster import control_plane, description, lifecycle, nodes
from sandbox.cluster.api import connect
from sandbox.cluster.description import Choice
from sandbox.engine import Engine, backend, prepare
from sandbox.engine.stack_files import View, accelerator, mapping, serving
from sandbox.errors import SandboxError
from sandbox.home import CHECKOUT, Home
from sandbox.modelserver import choice
from sandbox.network import istio
from sandbox.network.istio import PROVIDERS
from sandbox.progress import Progress
from sandbox.toolchain import CONTROL_PLANE, ISTIO, SANDBOX, places, provide

_ALWAYS = ("llm-d-inference-sim", "envoy")


def needed_tools(stack_file: Path, *, pods: bool) -> set[str]:
    """Return names of tools: the gateway controller, which preflight needs, and with `pods` the rest.

    Raises `SandboxError` for a file that isn't YAML.
    """
    of_release = release.PROGRAMS.get(release.of(serving(stack_file)), ())
    return {*((*of_release, *_ALWAYS) if pods else ()), *(ISTIO if istio_namespace(stack_file) else ())}


def istio_namespace(stack_file: Path) -> str | None:
    """Return the namespace of the stack's installation of istio; None for another provider."""
    return PROVIDERS.get(str(mapping(serving(stack_file).get("gateway")).get("provider", "istio")))


_PASSED_ON = (signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Session:
    """A running sandbox with the environment of one stack."""

    home: Home
    stack: str
    engine: Engine
    view: View
    report: Progress
    cluster: Choice

    @classmethod
    def ready(
        cls,
        home: Home,
        stack: str,
        report: Progress,
        checkout: Path = CHECKOUT,
        *,
        pods: bool = True,
        cluster: Choice | None = None,
    ) -> "Session":
        """Start the sandbox if it does not run, and prepare the stack's view in parallel.

        `cluster` is the description of the nodes; None = the one that the sandbox keeps. `checkout` contains the
        program. Missing tools are built; with `pods` also the programs of the stack's pods.
        """
        view = View(home.view, checkout, stack)
        view.require_tracked()  # before any build or start
        cluster = cluster or description.choose(home, None)
        _require_admission(home, stack, cluster)
        files = [file for file in (view.tracked_file, view.stack_file) if file.exists()]
        needed = set[str]().union(*(needed_tools(file, pods=pods) for file in files))
        tools = places(SANDBOX) | provide([*CONTROL_PLANE, "pulumi", *sorted(needed)], report)
        with ThreadPoolExecutor(1) as beside:
            preparing = beside.submit(prepare, home, checkout, stack, tools={"pulumi": tools["pulumi"]})
            lifecycle.start(home, tools, report, cluster.description.admission)
            if preparing.done():
                engine = preparing.result()
            else:
                with report.step("preparing Pulumi"):
                    engine = preparing.result()
        for note in engine.notes:
            report.say(note)
        description.remember(home, cluster)
        return cls(home, stack, engine, view, report, cluster)

    def set(self, assignments: Sequence[str]) -> None:
        """Run `pulumi config set --path` for each path=value, on the sandbox's copy of the stack file.

        A value in double quotes is text, as in the stack file.
        """
        for assignment in assignments:
            path, _, value = assignment.partition("=")
            quoted = len(value) > 1 and value[0] == value[-1] == '"'
            kind, value = (["--type", "string"], value[1:-1]) if quoted else ([], value)
            if self.call("pulumi", "config", "set", "--path", *kind, "--stack", self.stack, "--", path, value):
                raise SandboxError(f"--set {assignment} was refused: see above; the settings after it were not changed")

    def choose_model_server(self, kind: str | None, tensor_parallel: int | None) -> None:
        """Choose the model server for vLLM images (None keeps the choice), and make its settings."""
        isolated = lifecycle.isolated(self.home)
        assignments, removals = choice.choose(
            self.home, self.view, self.report, kind, tensor_parallel, isolated=isolated
        )
        self.set(assignments)
        for path in removals:
            self.call("pulumi", "config", "rm", "--path", "--stack", self.stack, path)

    def provide_programs(self) -> None:
        """Build missing programs of the stack's pods after a change of its settings."""
        provide(needed_tools(self.view.stack_file, pods=True), self.report)

    def provide_nodes(self, count: int | None) -> None:
        """Make the nodes and the admission policies of the cluster description; `count` is that of the first group.

        Without `count`, a command that names the description uses the description's, and others keep the present one.
        """
        if self.cluster.given and count is None:
            count = self.cluster.description.nodes[0].count
        nodes.provide(self.home.host_kubeconfig, self.cluster, accelerator(self.view.stack_file), count)
        nodes.provide_policies(self.home.host_kubeconfig, self.cluster)

    def provide_gateway(self) -> None:
        """Install the controller of the stack's Gateway if it is missing and the sandbox can run it."""
        namespace = istio_namespace(self.view.stack_file)
        if namespace and lifecycle.isolated(self.home):
            istio.provide(self.home.host_kubeconfig, namespace, self.report)

    def heal(self) -> None:
        """Remove the lock and the unrecorded objects of an interrupted command."""
        if backend.engine_runs(self.home):
            return  # the engine still runs, so its lock stays, and Pulumi itself reports it
        if backend.stale_locks(self.home, self.stack):
            self.report.say("An earlier run was killed: removing its lock.")
            self.call("pulumi", "cancel", "--yes", "--stack", self.stack)
        pending = backend.has_pending(self.home, self.stack)
        if pending or not backend.ended_well(self.home, self.stack):
            with connect(self.home.host_kubeconfig) as api:
                for path in backend.unrecorded(self.home, api):
                    self.report.say(f"An earlier run made {path} without recording it: deleting it.")
                    backend.delete_object(api, path)
        if pending:
            self.report.say("An earlier run was killed in the middle: bringing its state up to date.")
            clear = ("refresh", "--yes", "--skip-preview", "--clear-pending-creates", "--stack", self.stack)
            self.call("pulumi", *clear)

    def capture(self, *command: str) -> "subprocess.CompletedProcess[str]":
        """Run a command inside and return its output."""
        return subprocess.run(
            [*lifecycle.enter(self.home), *command],
            env=self.engine.env,
            cwd=self.engine.cwd,
            capture_output=True,
            text=True,
            check=False,
        )

    def call(self, *command: str) -> int:
        """Run a command inside, on this terminal; it receives Ctrl-C itself. Return its exit code."""
        with _left_to_the_command() as running:
            child = subprocess.Popen([*lifecycle.enter(self.home), *command], env=self.engine.env, cwd=self.engine.cwd)
            running.append(child)
            return child.wait()


def _require_admission(home: Home, stack: str, cluster: Choice) -> None:
    """Raise an error if the running sandbox has other admission settings."""
    wanted, present = cluster.description.admission, control_plane.read_admission(home.cluster)
    if lifecycle.running(home) and wanted != present:
        raise SandboxError(
            f"CLUSTER={cluster.name} needs {wanted}; the sandbox {home.name!r} runs with {present}, and kube-apiserver "
            f"reads that when it starts. Type:\n  make down && make up STACK={stack} CLUSTER={cluster.name}"
        )


@contextmanager
def _left_to_the_command() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Ignore Ctrl-C, which the terminal also sends to the command; pass other signals on to it."""
    running: list[subprocess.Popen[bytes]] = []

    def pass_on(number: int, _: FrameType | None) -> None:
        if number != signal.SIGINT:
            for child in running:
                child.send_signal(number)

    if threading.current_thread() is not threading.main_thread():
        yield running
        return
    before = {number: signal.signal(number, pass_on) for number in (signal.SIGINT, *_PASSED_ON)}
    try:
        yield running
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
