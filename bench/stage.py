"""The sandboxes of the benchmarks: nodes, the amd stack's engine, nothing deployed."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from sandbox import session
from sandbox.cluster import description, lifecycle, nodes
from sandbox.engine import Engine, prepare
from sandbox.home import CHECKOUT, Home
from sandbox.network import istio
from sandbox.progress import Progress
from sandbox.toolchain import CONTROL_PLANE, SANDBOX, places, provide


@contextmanager
def stage(
    progress: Progress, name: str = "bench", count: int | None = None, *, keep: bool = False
) -> Iterator[tuple[Home, Engine]]:
    """Start an empty sandbox, and delete it afterwards. `keep`: start it as the last run left it, and leave it running.

    `count` is the number of nodes; None = as in the default description.
    """
    home = Home.of(CHECKOUT, name)
    stack = CHECKOUT / "Pulumi.amd.yaml"
    tools = places(SANDBOX) | provide(
        [*CONTROL_PLANE, "pulumi", *sorted(session.needed_tools(stack, pods=True))], progress
    )
    if not keep:
        lifecycle.throw_away(home, progress)
    try:
        lifecycle.start(home, tools, progress)
        nodes.provide(home.host_kubeconfig, description.default(), "amd", count)
        namespace = session.istio_namespace(stack)
        if namespace and lifecycle.isolated(home):
            istio.provide(home.host_kubeconfig, namespace, progress)
        yield home, prepare(home, CHECKOUT, "amd", tools=tools)
    finally:
        if not keep:
            lifecycle.throw_away(home, progress)


def pulumi(home: Home, engine: Engine, *arguments: str, stack: str = "amd") -> float:
    """Run a Pulumi command on a stack; return its seconds. If it fails, exit with its output."""
    named = [] if arguments[0] == "stack" else ["--stack", stack]
    command = [*lifecycle.enter(home), "pulumi", *arguments, *named, "--non-interactive"]
    begun = time.monotonic()
    done = subprocess.run(command, cwd=engine.cwd, env=engine.env, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"pulumi {' '.join(arguments)} in {engine.cwd} failed:\n{done.stdout}\n{done.stderr}")
    return time.monotonic() - begun
