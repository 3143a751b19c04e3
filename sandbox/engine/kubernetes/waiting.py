"""Waiting for an object to be ready or to be gone, with the messages of the official plugin."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sandbox.cluster.api import ApiError, Object
from sandbox.cluster.kubeconfig import Unreachable
from sandbox.engine.kubernetes import readiness
from sandbox.engine.kubernetes.cluster import Cluster

_PAUSE = 0.2
_NOT_NOW = {429, 500, 503, 504}
"""What a server answers that is only starting, or has too much to do."""


class Cancelled(Exception):
    """The engine asked for a stop."""


class NotReady(Exception):
    """The object exists but didn't become ready; `reasons` say more."""

    def __init__(self, message: str, reasons: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.reasons = reasons


class Canceller:
    """The provider's one stop signal."""

    def __init__(self) -> None:
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        """Stop everybody who waits, also later."""
        self._cancelled.set()

    def sleep(self, seconds: float) -> None:
        """Sleep, or raise `Cancelled`."""
        if self._cancelled.wait(seconds):
            raise Cancelled


@dataclass(frozen=True)
class Waiter:
    """Waits on one cluster; `say` shows a passing line beside the resource."""

    cluster: Cluster
    canceller: Canceller
    say: Callable[[str], None]

    def ready(self, inputs: Object, live: Object, seconds: float) -> None:
        """Return once the object is ready; raises `NotReady` at the timeout or when the engine cancels."""
        rule = readiness.rule(inputs)
        if rule is None:
            return
        name, progress = live["metadata"]["name"], readiness.Progress(False)
        for state in self._states(live, seconds):
            if state is None:
                raise NotReady(f"{name!r} was deleted while it was waited for")
            progress = rule(state)
            if progress.ready:
                return
            self.say(progress.message)
        raise NotReady(f"{name!r} timed out waiting to be Ready", progress.reasons or (progress.message,))

    def gone(self, obj: Object, uid: str, seconds: float) -> None:
        """Return once the object with this uid is gone; raises `NotReady` when it isn't."""
        for state in self._states(obj, seconds):
            if state is None or state["metadata"]["uid"] != uid:
                return
            finalizers = ", ".join(state["metadata"].get("finalizers") or [])
            self.say("Waiting for deletion" + (f" (finalizers: {finalizers})" if finalizers else ""))
        raise NotReady(f"{obj['metadata']['name']!r} timed out waiting to be deleted")

    def _states(self, obj: Object, seconds: float) -> Iterator[Object | None]:
        """Yield the object again and again, None while it or its kind is absent, until so many seconds have passed.

        A server that is away or not yet itself again is asked on until then, as the official plugin's informers do.
        """
        deadline = time.monotonic() + seconds
        try:
            while True:
                try:
                    yield self.cluster.api.get(self.cluster.path(obj))
                except Unreachable:
                    pass
                except ApiError as error:
                    if error.code == 404:
                        yield None
                    elif error.code not in _NOT_NOW:
                        raise
                if time.monotonic() >= deadline:
                    return
                self.canceller.sleep(_PAUSE)
        except Cancelled:
            raise NotReady(f"Resource operation was cancelled for {obj['metadata']['name']!r}") from None
        finally:
            self.say("")
