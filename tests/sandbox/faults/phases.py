"""The phases of a command, a way to hold it in its middle, and the faults that strike there.

There are no waits in seconds: the state file and the API server show when a command is in its middle.
"""

import os
import resource
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any

from sandbox.cluster.api import Api, ApiError
from tests.sandbox.faults.command import PATIENCE, Command, State
from tests.sandbox.faults.stage import Stage
from tests.sandbox.running import soon
from tests.sandbox.stack.deployment import Deployment

Reached = Callable[[], bool]
"""Whether the command is in its middle."""

PREFILL = "ms-pd-llm-d-modelservice-prefill"
_PICKER = "gaie-pd-epp"
_WORKLOADS = {
    "prefill-deployment": PREFILL,
    "decode-deployment": "ms-pd-llm-d-modelservice-decode",
    "endpoint-picker-deployment": _PICKER,
}
_LATER = {*_WORKLOADS, "model-gateway-route"}
"""Resources that are not in the state while the EPP waits for its pod."""
_FINALIZER = "faults.test/hold"


@dataclass(frozen=True)
class Phase:
    """One column of the table."""

    title: str
    command: str
    held: Callable[[Stage, Deployment], AbstractContextManager[Reached]]
    """Holds a command that starts within: it stays in its middle until the end of the `with`."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Settings that are configured before."""


def workload_path(stack: Deployment, name: str = PREFILL) -> str:
    """Path of a Deployment of the stack in the API."""
    return f"/apis/apps/v1/namespaces/{stack.stack}/deployments/{name}"


def _live(stage: Stage, stack: Deployment, name: str) -> dict[str, Any]:
    try:
        return stage.api.get(workload_path(stack, name))
    except ApiError:
        return {}


@contextmanager
def _new_pods_wait(stage: Stage, stack: Deployment) -> Iterator[Reached]:
    """The EPP waits for its pod. All objects exist but the workers and the route, which are made after the EPP."""

    def reached() -> bool:
        state = State.of(stack)
        missing = {name for name in stage.whole - state.names if not name.startswith("llm-d-pd-")}
        made = state.pending == [("creating", "endpoint-picker-deployment")] and missing == _LATER
        return made and bool(_live(stage, stack, _PICKER))

    with stage.full():
        yield reached


@contextmanager
def _changed_pods_wait(stage: Stage, stack: Deployment) -> Iterator[Reached]:
    """Two Deployments are changed and wait for their new pods."""
    changing = {name: _WORKLOADS[name] for name in ("prefill-deployment", "decode-deployment")}
    before = {name: _live(stage, stack, name)["metadata"]["generation"] for name in changing.values()}

    def reached() -> bool:
        started = set(State.of(stack).pending) == {("updating", name) for name in changing}
        return started and all(
            _live(stage, stack, name)["metadata"]["generation"] > was for name, was in before.items()
        )

    with stage.full():
        yield reached


@contextmanager
def _answers_wait(stage: Stage, stack: Deployment) -> Iterator[Reached]:
    """The objects are requested, without an answer so far."""
    with stage.relay.held():
        yield lambda: stage.relay.waiting > 0


@contextmanager
def deletion_held(api: Api, path: str) -> Iterator[None]:
    """A deletion of the object does not end within."""
    api.patch(path, {"metadata": {"finalizers": [_FINALIZER]}})
    try:
        yield
    finally:
        api.patch(path, [{"op": "remove", "path": "/metadata/finalizers/0"}], "application/json-patch+json")


@contextmanager
def _deletion_waits(stage: Stage, stack: Deployment) -> Iterator[Reached]:
    """The prefill workers can't be deleted, so the EPP stays, which goes after them; the decode workers are gone."""
    name = "prefill-deployment"

    def reached() -> bool:
        state = State.of(stack)
        deleting = "deletionTimestamp" in _live(stage, stack, PREFILL).get("metadata", {})
        left = state.names & _WORKLOADS.keys()
        return deleting and state.pending == [("deleting", name)] and left == {name, "endpoint-picker-deployment"}

    with deletion_held(stage.api, workload_path(stack)):
        yield reached


PHASES = {
    "up": Phase("`up` from nothing", "up", _new_pods_wait, {"prefill__replicas": 1, "decode__replicas": 1}),
    "change": Phase("`up` that changes", "up", _changed_pods_wait, {"prefill__replicas": 2, "decode__replicas": 2}),
    "refresh": Phase("`refresh`", "refresh", _answers_wait),
    "destroy": Phase("`destroy`", "destroy", _deletion_waits),
}
"""Phases in the order of a stack's life."""


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
