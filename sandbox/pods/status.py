"""The status of a pod and its events, as a kubelet writes them."""

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sandbox.cluster.api import Api, ApiError, Object
from sandbox.errors import SandboxError

MAIN, SIDECAR, INIT = "main", "sidecar", "init"
"""Roles of a container. A sidecar is an init container that is always restarted."""


def now() -> str:
    """Return the time in Kubernetes' format."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class Container:
    """The status of one container; `state` is the API's (waiting, running or terminated)."""

    name: str
    image: str
    role: str
    state: Object = field(default_factory=lambda: {"waiting": {"reason": "PodInitializing"}})
    last_state: Object = field(default_factory=dict)
    restarts: int = 0
    ready: bool = False
    started: bool = False

    @property
    def running(self) -> bool:
        """Whether the process runs."""
        return "running" in self.state

    @property
    def done(self) -> bool:
        """Whether the container has ended successfully."""
        return bool(self.state.get("terminated", {}).get("exitCode", 1) == 0)

    def entry(self) -> Object:
        """Return the container's entry in the pod's status."""
        return {
            "name": self.name,
            "image": self.image,
            "imageID": f"sandbox://{self.image}",
            "containerID": "",
            "restartCount": self.restarts,
            "ready": self.ready or (self.role == INIT and self.done),
            "started": self.started,
            "state": self.state,
            "lastState": self.last_state,
        }


def waiting(reason: str, message: str = "") -> Object:
    """Return the state of a container that does not run, with the reason."""
    return {"waiting": {"reason": reason, **({"message": message} if message else {})}}


def terminated(code: int, reason: str, message: str, started: str) -> Object:
    """Return the state of a container that has ended."""
    ended = {"exitCode": code, "reason": reason, "startedAt": started, "finishedAt": now(), "message": message}
    return {"terminated": {name: value for name, value in ended.items() if value != ""}}


def phase(containers: Sequence[Container], restart_policy: str) -> str:
    """Return the pod's phase. It is Pending during initialisation, and a pod with restarts never ends."""
    inits = [one for one in containers if one.role == INIT]
    mains = [one for one in containers if one.role == MAIN]
    if restart_policy == "Never" and any("terminated" in one.state and not one.done for one in inits):
        return "Failed"
    if not _initialized(containers):
        return "Pending"
    if restart_policy != "Always" and all("terminated" in one.state for one in mains):
        if all(one.done for one in mains):
            return "Succeeded"
        if restart_policy == "Never":
            return "Failed"
    waits_for_first = [one for one in mains if "waiting" in one.state and not one.last_state]
    return "Pending" if waits_for_first else "Running"


def conditions(
    containers: Sequence[Container], pod: Object, known: Mapping[str, Object], *, has_network: bool
) -> list[Object]:
    """Return a kubelet's conditions; a condition's time changes only with its status."""
    counted = [one for one in containers if one.role != INIT]
    unready = [one.name for one in counted if not one.ready]
    complete = phase(containers, pod["spec"].get("restartPolicy", "Always")) in ("Succeeded", "Failed")
    failing: dict[str, tuple[str, str]] = {}
    if complete:
        failing["ContainersReady"] = ("PodCompleted", "")
    elif unready:
        failing["ContainersReady"] = ("ContainersNotReady", f"containers with unready status: [{' '.join(unready)}]")
    if not _initialized(containers):
        names = [one.name for one in containers if one.role != MAIN and not _passed(one)]
        failing["Initialized"] = ("ContainersNotInitialized", f"containers with incomplete status: [{' '.join(names)}]")
    if "ContainersReady" in failing:
        failing["Ready"] = failing["ContainersReady"]
    if not has_network:
        failing["PodReadyToStartContainers"] = ("", "")
    return [
        _condition(kind, failing.get(kind), known.get(kind))
        for kind in ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady")
    ]


def _initialized(containers: Sequence[Container]) -> bool:
    return all(_passed(one) for one in containers if one.role != MAIN)


def _passed(one: Container) -> bool:
    """Whether the next container may start; later restarts of this init container or sidecar do not matter."""
    return one.started or one.done or bool(one.last_state and one.role == SIDECAR)


def _condition(kind: str, failure: tuple[str, str] | None, known: Object | None) -> Object:
    status = "False" if failure else "True"
    since = known["lastTransitionTime"] if known and known["status"] == status else now()
    reason, message = failure or (None, None)
    return {
        "type": kind,
        "status": status,
        "lastTransitionTime": since,
        "reason": reason or None,  # null removes a previous value
        "message": message or None,
    }


def whole(
    pod: Object,
    containers: Sequence[Container],
    known: Mapping[str, Object],
    *,
    host: str,
    address: str | None,
    started: str,
) -> Object:
    """Return the whole status; `known` are the conditions so far. Without a network there is no address."""
    result: dict[str, Any] = {
        "phase": phase(containers, pod["spec"].get("restartPolicy", "Always")),
        "conditions": conditions(containers, pod, known, has_network=address is not None),
        "hostIP": host,
        "hostIPs": [{"ip": host}],
        "startTime": started,
        "containerStatuses": [one.entry() for one in containers if one.role == MAIN],
    }
    if inits := [one.entry() for one in containers if one.role != MAIN]:
        result["initContainerStatuses"] = inits
    if address:
        result |= {"podIP": address, "podIPs": [{"ip": address}]}
    return result


_EVERY = 10.0
"""Shortest seconds between two counts of the same message."""


class Events:
    """Writes the events of one pod."""

    def __init__(self, api: Api, pod: Object) -> None:
        self._api, self._pod = api, pod
        self._written: dict[tuple[str, str], tuple[str, int, float]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def warn(self, reason: str, message: str, container: str | None = None) -> None:
        """Report a failure without waiting."""
        key = (reason, message)
        name, count, last = self._written.get(key, ("", 0, 0.0))
        if count and time.monotonic() < last + _EVERY:
            return
        if not name:
            name = f"{self._pod['metadata']['name']}.{time.time_ns():x}"
        self._written[key] = (name, count + 1, time.monotonic())
        task = asyncio.create_task(asyncio.to_thread(self._tell, name, count + 1, reason, message, container))
        self._tasks.add(task)  # otherwise it is garbage collected
        task.add_done_callback(self._tasks.discard)

    def _tell(self, name: str, count: int, reason: str, message: str, container: str | None) -> None:
        metadata = self._pod["metadata"]
        path = f"/api/v1/namespaces/{metadata['namespace']}/events"
        with contextlib.suppress(ApiError, SandboxError):  # the namespace is being deleted, so the event is not needed
            if count > 1:
                self._api.patch(f"{path}/{name}", {"count": count, "lastTimestamp": now()})
                return
            involved = {"apiVersion": "v1", "kind": "Pod", "namespace": metadata["namespace"], "name": metadata["name"]}
            involved |= {"uid": metadata["uid"]}
            if container:
                involved["fieldPath"] = f"spec.containers{{{container}}}"
            self._api.create(
                path,
                {
                    "apiVersion": "v1",
                    "kind": "Event",
                    "metadata": {"namespace": metadata["namespace"], "name": name},
                    "involvedObject": involved,
                    "type": "Warning",
                    "reason": reason,
                    "message": message,
                    "count": 1,
                    "firstTimestamp": now(),
                    "lastTimestamp": now(),
                    "source": {"component": "kubelet", "host": self._pod["spec"]["nodeName"]},
                    "reportingComponent": "kubelet",
                    "reportingInstance": self._pod["spec"]["nodeName"],
                },
            )
