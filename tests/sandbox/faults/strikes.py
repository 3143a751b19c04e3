"""The faults that strike a command in its middle."""

import os
import resource
import signal
from collections.abc import Callable
from dataclasses import dataclass

from tests.sandbox.faults.command import PATIENCE, Command
from tests.sandbox.faults.phases import workload_path
from tests.sandbox.faults.stage import Stage
from tests.sandbox.running import soon

OTHERS_REPLICAS = 3


@dataclass(frozen=True)
class Fault:
    """One row of the table."""

    title: str
    strike: Callable[[Stage, Command], None]


def _kill_api_server(stage: Stage, running: Command) -> None:
    """The API server is absent until at least one request has failed."""
    refused = stage.relay.refused
    stage.components.kill_api_server()
    stage.relay.release()
    assert soon(lambda: stage.relay.refused > refused or running.over, PATIENCE), running.said
    stage.components.down.clear()
    assert soon(stage.serves, PATIENCE), "the API server does not come back"


def _cut_connections(stage: Stage, _: Command) -> None:
    stage.relay.cut()


def _write_as_another(stage: Stage, running: Command) -> None:
    """A user scales the prefill workers by hand and becomes the field's manager."""
    body = {"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"replicas": OTHERS_REPLICAS}}
    owner = {"fieldManager": "kubectl", "force": "true"}
    stage.api.patch(workload_path(running.stack), body, "application/apply-patch+yaml", **owner)


def _kill_plugin(_: Stage, running: Command) -> None:
    os.kill(running.plugin, signal.SIGKILL)


def _kill_engine(_: Stage, running: Command) -> None:
    running.engine.kill()
    running.end()


def _press_ctrl_c(_: Stage, running: Command) -> None:
    running.interrupt()
    assert soon(lambda: "cancel" in running.said or running.over, PATIENCE), running.said


def _fill_disk(_: Stage, running: Command) -> None:
    """The engine can't write any more: the kernel refuses, as with a full disk."""
    resource.prlimit(running.engine.pid, resource.RLIMIT_FSIZE, (0, 0))


FAULTS = {
    "api-server": Fault("API server killed and restarted", _kill_api_server),
    "watches": Fault("connections to the API server cut", _cut_connections),
    "conflict": Fault("another client changes the same field", _write_as_another),
    "plugin": Fault("plugin killed", _kill_plugin),
    "engine": Fault("`pulumi` killed (SIGKILL)", _kill_engine),
    "ctrl-c": Fault("Ctrl-C", _press_ctrl_c),
    "disk": Fault("disk full for the state", _fill_disk),
}
