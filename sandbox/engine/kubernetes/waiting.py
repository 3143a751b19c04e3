"""Waiting for an object to be ready or to be gone, with the messages of the official plugin."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from sandbox.engine.kubernetes import readiness
from sandbox.engine.kubernetes.api import ApiError, Cluster, Object
from sandbox.engine.kubernetes.following import Cancelled, Canceller, states

SERVICE_SETTLES = 10.0
"""Seconds that the official plugin gives the endpoints of a Service to settle, however soon they are there."""


class NotReady(Exception):
    """The object exists but didn't become ready; `reasons` say more."""

    def __init__(self, message: str, reasons: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.reasons = reasons


@dataclass(frozen=True)
class Waiter:
    """Waits on one cluster; `say` shows a passing line beside the resource."""

    cluster: Cluster
    canceller: Canceller
    say: Callable[[str], None]

    def ready(self, inputs: Object, live: Object, seconds: float) -> None:
        """Return once the object is ready; raises `NotReady` at the timeout or when the engine cancels."""
        rule = readiness.rule(inputs)
        is_service = (inputs["apiVersion"], inputs["kind"]) == ("v1", "Service")
        name, deadline = live["metadata"]["name"], time.monotonic() + seconds
        progress = readiness.READY
        try:
            if rule is not None:
                progress = self._until(rule, live, deadline)
            elif is_service and not readiness.skipped(inputs):
                progress = self._service(live, deadline)
        except Cancelled:
            raise NotReady(f"Resource operation was cancelled for {name!r}") from None
        finally:
            self.say("")
        if not progress.ready:
            raise NotReady(f"{name!r} timed out waiting to be Ready", progress.reasons or (progress.message,))

    def _until(self, rule: readiness.Rule, live: Object, deadline: float) -> readiness.Progress:
        progress = readiness.Progress(False)
        for state in states(self.cluster, self.canceller, live, deadline):
            if state is None:
                raise NotReady(f"{live['metadata']['name']!r} was deleted while it was waited for")
            progress = rule(state)
            if progress.ready:
                break
            self.say(progress.message)
        return progress

    def _service(self, live: Object, deadline: float) -> readiness.Progress:
        """The endpoints of a Service with a selector, settled; the address of a load balancer."""
        spec = live["spec"]
        progress = readiness.READY
        if spec.get("type") == "LoadBalancer":
            progress = self._until(readiness.load_balancer, live, deadline)
        if not progress.ready or not spec.get("selector") or spec.get("type") == "ExternalName":
            return progress
        self.say("[1/3] Finding Pods to direct traffic to")
        endpoints = {"apiVersion": "v1", "kind": "Endpoints", "metadata": live["metadata"]}
        settled = time.monotonic() + SERVICE_SETTLES
        for state in states(self.cluster, self.canceller, endpoints, deadline, tick=SERVICE_SETTLES):
            if not any(subset.get("addresses") for subset in (state or {}).get("subsets") or []):
                continue
            left = settled - time.monotonic()
            if left <= 0:
                return readiness.READY
            self.canceller.sleep(min(left, max(0.0, deadline - time.monotonic())))
            if time.monotonic() >= settled:
                return readiness.READY
        return readiness.Progress(
            False,
            reasons=(
                "Service does not target any Pods. Selected Pods may not be ready, or "
                "field '.spec.selector' may not match labels on any Pods",
            ),
        )

    def gone(self, obj: Object, uid: str, seconds: float) -> None:
        """Return once the object with this uid is gone; raises `NotReady` when it isn't."""
        name = obj["metadata"]["name"]
        try:
            for state in states(self.cluster, self.canceller, obj, time.monotonic() + seconds):
                if state is None or state["metadata"]["uid"] != uid:
                    return
                finalizers = state["metadata"].get("finalizers") or []
                self.say(
                    f"Waiting for deletion (finalizers: {', '.join(finalizers)})"
                    if finalizers
                    else "Waiting for deletion"
                )
        except Cancelled:
            raise NotReady(f"Resource operation was cancelled for {name!r}") from None
        except ApiError as error:
            if error.code != 404:  # the kind itself went with its CRD
                raise
            return
        finally:
            self.say("")
        raise NotReady(f"{name!r} timed out waiting to be deleted")
