"""Events about pods: what people must see and no status says. The same words again raise a count, as kubelets do."""

import asyncio
import contextlib
import time

from sandbox.cluster.api import Api, ApiError, Object
from sandbox.errors import SandboxError
from sandbox.pods.status import now

_EVERY = 10.0
"""Seconds that must pass before the same words are counted again."""


class Events:
    """The events of one pod."""

    def __init__(self, api: Api, pod: Object) -> None:
        self._api, self._pod = api, pod
        self._told: dict[tuple[str, str], tuple[str, int, float]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def warn(self, reason: str, message: str, container: str | None = None) -> None:
        """Tell that something failed; returns at once."""
        key = (reason, message)
        name, count, last = self._told.get(key, ("", 0, 0.0))
        if count and time.monotonic() < last + _EVERY:
            return
        if not name:
            name = f"{self._pod['metadata']['name']}.{time.time_ns():x}"
        self._told[key] = (name, count + 1, time.monotonic())
        task = asyncio.create_task(asyncio.to_thread(self._tell, name, count + 1, reason, message, container))
        self._tasks.add(task)  # or nothing would hold it
        task.add_done_callback(self._tasks.discard)

    def _tell(self, name: str, count: int, reason: str, message: str, container: str | None) -> None:
        metadata = self._pod["metadata"]
        path = f"/api/v1/namespaces/{metadata['namespace']}/events"
        with contextlib.suppress(ApiError, SandboxError):  # the namespace is being deleted: nobody reads it any more
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
