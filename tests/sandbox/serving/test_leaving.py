"""Whatever ends a sandbox that serves, nothing of it stays: no process, no network, no mount, no file."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sandbox.cluster import lifecycle, record
from sandbox.home import Home
from sandbox.progress import Progress
from tests.sandbox import running
from tests.sandbox.pods.machine import network, networks
from tests.sandbox.running import Running, private_home, soon
from tests.sandbox.serving.traffic import traffic
from tests.sandbox.stack.deployment import Deployment, deployment

pytestmark = pytest.mark.thorough
IN_PODS = ("/opt/vllm/simulator", "/app/epp", "/app/pd-sidecar", "/usr/local/bin/envoy ")


@pytest.fixture
def serving() -> Iterator[Deployment]:
    home = private_home("leaving")
    try:
        made = deployment(running.start(home), "amd")
        made.up()
        with traffic(made) as gateway:
            gateway.complete("somebody is served", gateway.model)
        yield made
    finally:
        running.throw_away(home)


def stop(sandbox: Running) -> None:
    lifecycle.stop(sandbox.home, Progress())


def kill_the_keeper(sandbox: Running) -> None:
    keeper = record.read(sandbox.home.cluster)
    assert keeper
    assert keeper.end(signal.SIGKILL, 10)


def kill_everything_but_the_keeper(sandbox: Running) -> None:
    keeper = record.read(sandbox.home.cluster)
    assert keeper
    for pid in running.processes(sandbox.home).keys() - {keeper.pid}:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    lifecycle.stop(sandbox.home, Progress())


@pytest.mark.parametrize("end", [stop, kill_the_keeper, kill_everything_but_the_keeper])
def test_nothing_is_left_of_a_sandbox_that_ended(serving: Deployment, end: Callable[[Running], None]) -> None:
    home = serving.cluster.home
    processes = running.processes(home)
    assert all(any(command.startswith(program) for command in processes.values()) for program in IN_PODS), processes
    own = {network(pid) for pid in processes} - {network(os.getpid())}
    assert len(own) >= 8, "the sandbox's and one of each pod"
    end(serving.cluster)
    assert soon(lambda: not [pid for pid in processes if Path(f"/proc/{pid}/cmdline").exists()]), processes
    assert not own & networks()
    assert _mounts(home) == []
    lifecycle.throw_away(home, Progress())
    assert not home.root.exists()


def test_destroy_leaves_the_control_plane_and_nothing_of_the_pods(serving: Deployment) -> None:
    home = serving.cluster.home
    serving.pulumi("destroy", "--yes", "--skip-preview")
    assert soon(lambda: not _of_pods(home)), _of_pods(home)
    assert list((home.logs / "pods").iterdir()) == []
    assert (home.root / "gateways.json").read_text() == "{}"


def _of_pods(home: Home) -> list[str]:
    return [command for command in running.processes(home).values() if command.startswith(IN_PODS)]


def _mounts(home: Home) -> list[str]:
    return [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(home.root) in line]
