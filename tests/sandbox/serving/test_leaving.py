"""Every end of a serving sandbox leaves no process, network, mount or file."""

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import pytest

from sandbox.cluster import lifecycle
from sandbox.home import Home
from sandbox.progress import Progress
from tests.sandbox import running
from tests.sandbox.running import Running, separate, soon
from tests.sandbox.serving.traffic import traffic
from tests.sandbox.stack.deployment import Deployment, deployment

pytestmark = pytest.mark.thorough
IN_PODS = ("/opt/vllm/simulator", "/app/epp", "/app/pd-sidecar", "/usr/local/bin/envoy ")


@pytest.fixture(scope="module")
def deployed() -> Iterator[Deployment]:
    with separate("leaving") as started:
        made = deployment(started, "amd")
        made.up()
        yield made


@pytest.fixture
def serving(deployed: Deployment) -> Deployment:
    """The stack in a sandbox, which is restarted if the last test ended it."""
    running.start(deployed.cluster.home)
    with traffic(deployed) as gateway:
        gateway.complete("a client is served", gateway.model)
    return deployed


def stop(sandbox: Running) -> None:
    lifecycle.stop(sandbox.home, Progress())


def kill_the_keeper(sandbox: Running) -> None:
    keeper = lifecycle.last_keeper(sandbox.home.cluster)
    assert keeper
    assert keeper.end(signal.SIGKILL, 10)


def kill_everything_but_the_keeper(sandbox: Running) -> None:
    keeper = lifecycle.last_keeper(sandbox.home.cluster)
    assert keeper
    for pid in running.processes(sandbox.home).keys() - {keeper.pid}:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    lifecycle.stop(sandbox.home, Progress())


@pytest.mark.parametrize("end", [stop, kill_the_keeper, kill_everything_but_the_keeper])
def test_an_ended_sandbox_leaves_nothing(serving: Deployment, end: Callable[[Running], None]) -> None:
    home = serving.cluster.home
    processes = running.processes(home)
    assert all(any(command.startswith(program) for command in processes.values()) for program in IN_PODS), processes
    own = {network(pid) for pid in processes} - {network(os.getpid())}
    assert len(own) >= 8, "the sandbox's and one of each pod"
    end(serving.cluster)
    assert soon(lambda: not [pid for pid in processes if Path(f"/proc/{pid}/cmdline").exists()]), processes
    assert not own & networks()
    assert _mounts(home) == []


def test_destroy_waits_neither_for_idle_clients_nor_for_health_checks(serving: Deployment) -> None:
    """The proxy's grace is 600 s, longer than the timeout of the command."""
    home = serving.cluster.home
    with traffic(serving) as gateway, ExitStack() as held:
        body = {"model": gateway.model, "prompt": "hello", "max_tokens": 4}
        for more in ({}, {"stream": True}):
            connection = HTTPConnection("127.0.0.1", gateway.port, timeout=20)
            connection.request(
                "POST", "/v1/completions", json.dumps({**body, **more}), {"Content-Type": "application/json"}
            )
            assert connection.getresponse().read()
            held.callback(connection.close)
        held.enter_context(_health_checks(gateway.port))
        serving.pulumi("destroy", "--yes", "--skip-preview", timeout=120)
    assert soon(lambda: not _of_pods(home)), _of_pods(home)
    assert {folder.name.partition("_")[0] for folder in (home.logs / "pods").iterdir()} == {"istio-system"}
    assert (home.root / "gateways.json").read_text() == "{}"


def test_a_deleted_running_sandbox_leaves_no_file(deployed: Deployment) -> None:
    home = deployed.cluster.home
    assert running.processes(home)
    lifecycle.throw_away(home, Progress())
    assert not running.processes(home)
    assert not home.root.exists()


@contextmanager
def _health_checks(port: int) -> Iterator[None]:
    """Send health checks like a load balancer: a new connection every two seconds."""
    over = threading.Event()

    def check() -> None:
        while not over.wait(2):
            with suppress(OSError, HTTPException):
                connection = HTTPConnection("127.0.0.1", port, timeout=2)
                connection.request("GET", "/health")
                connection.getresponse().read()
                connection.close()

    checking = threading.Thread(target=check)
    checking.start()
    yield
    over.set()
    checking.join()


def _of_pods(home: Home) -> list[str]:
    return [command for command in running.processes(home).values() if command.startswith(IN_PODS)]


def _mounts(home: Home) -> list[str]:
    return [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(home.root) in line]


def network(pid: int) -> str:
    return str(Path(f"/proc/{pid}/ns/net").readlink())


def networks() -> set[str]:
    """Return every network namespace that a process is in or holds open."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        for link in [folder / "ns" / "net", *(folder / "fd").glob("*")]:
            try:
                found.add(str(link.readlink()))
            except OSError:
                continue
    return found
