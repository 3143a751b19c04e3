"""The phases: a command, and a way to hold it in its middle until the fault has struck.

There are no waits in seconds: the state file and the API server show when a command is in its middle.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any

from sandbox.cluster.api import ApiError
from tests.sandbox.faults.command import State
from tests.sandbox.faults.stage import Stage
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
    """All objects exist, and the Deployments wait for their pods."""

    def reached() -> bool:
        state = State.of(stack)
        waiting = {("creating", name) for name in _WORKLOADS}
        missing = {name for name in stage.whole - state.names if not name.startswith("llm-d-pd-")}
        made = set(state.pending) == waiting and missing == _WORKLOADS.keys()
        return made and all(_live(stage, stack, name) for name in _WORKLOADS.values())

    with stage.full():
        yield reached


@contextmanager
def _changed_pods_wait(stage: Stage, stack: Deployment) -> Iterator[Reached]:
    """Two Deployments are changed and wait for their new pods."""
    changing = {name: _WORKLOADS[name] for name in ("prefill-deployment", "endpoint-picker-deployment")}
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
def _deletion_waits(stage: Stage, stack: Deployment) -> Iterator[Reached]:
    """The prefill workers and their dependencies can't be deleted; the other workloads are gone."""
    path, name = workload_path(stack), "prefill-deployment"
    stage.api.patch(path, {"metadata": {"finalizers": [_FINALIZER]}})

    def reached() -> bool:
        state = State.of(stack)
        deleting = "deletionTimestamp" in _live(stage, stack, PREFILL).get("metadata", {})
        return deleting and state.pending == [("deleting", name)] and state.names & _WORKLOADS.keys() == {name}

    yield reached
    stage.api.patch(path, [{"op": "remove", "path": "/metadata/finalizers/0"}], "application/json-patch+json")


PHASES = {
    "up": Phase("`up` from nothing", "up", _new_pods_wait, {"prefill__replicas": 1, "routing__verbosity": 1}),
    "change": Phase("`up` that changes", "up", _changed_pods_wait, {"prefill__replicas": 2, "routing__verbosity": 3}),
    "refresh": Phase("`refresh`", "refresh", _answers_wait),
    "destroy": Phase("`destroy`", "destroy", _deletion_waits),
}
"""Phases in the order of a stack's life."""
