"""Following a live object until it is as wanted, gone, or there is no more time; stopped at once by a cancel."""

import contextlib
import queue
import threading
import time
from collections.abc import Iterator
from typing import TypeAlias

from sandbox.engine.kubernetes.api import ApiError, Cluster, ClusterUnreachable, Object, Watch

Mailbox: TypeAlias = "queue.SimpleQueue[object]"

_PAUSE = 0.2
_NOT_NOW = {429, 500, 503, 504}
"""What a server answers that is only starting, or has too much to do."""


class Cancelled(Exception):
    """The engine has told us to stop."""


class Canceller:
    """The provider's one stop signal."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: set[queue.SimpleQueue[object]] = set()
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        """Wake everybody who waits; whoever waits later is stopped right away."""
        self._cancelled.set()
        with self._lock:
            for waiting in self._waiting:
                waiting.put(None)

    def sleep(self, seconds: float) -> None:
        """Sleep, or raise `Cancelled`."""
        if self._cancelled.wait(seconds):
            raise Cancelled

    @contextlib.contextmanager
    def mailbox(self) -> Iterator[Mailbox]:
        """A queue that a cancel also wakes."""
        mailbox: Mailbox = queue.SimpleQueue()
        with self._lock:
            self._waiting.add(mailbox)
        try:
            yield mailbox
        finally:
            with self._lock:
                self._waiting.discard(mailbox)

    def check(self) -> None:
        """Raise `Cancelled` once `cancel` has been called."""
        if self._cancelled.is_set():
            raise Cancelled


def states(
    cluster: Cluster, canceller: Canceller, obj: Object, deadline: float, tick: float = 3600
) -> Iterator[Object | None]:
    """Yield the object as it is, then again at each change and at least every `tick` seconds; None while it is absent.

    Ends at `deadline` (of `time.monotonic`). A server that is away or not yet itself again is asked on until then, as
    the official plugin's informers do. Raises `Cancelled`, and `ApiError` when the server refuses.
    """
    with canceller.mailbox() as mailbox:
        while True:
            canceller.check()
            try:
                for live in _followed(cluster, obj, deadline, tick, mailbox):
                    canceller.check()
                    yield live
            except ClusterUnreachable:
                pass
            except ApiError as error:
                if error.code not in _NOT_NOW:
                    raise
            if time.monotonic() >= deadline:
                return
            canceller.sleep(_PAUSE)  # not in a hot loop


def _followed(cluster: Cluster, obj: Object, deadline: float, tick: float, mailbox: Mailbox) -> Iterator[Object | None]:
    """The states of one watch, until the server ends it or there is no more time."""
    collection, name = cluster.path(obj, named=False), obj["metadata"]["name"]
    watch = cluster.watch(collection, name, deadline - time.monotonic())
    threading.Thread(target=_deliver, args=(watch, mailbox), daemon=True).start()
    try:
        live = _get(cluster, f"{collection}/{name}")
        while True:
            yield live
            left = deadline - time.monotonic()
            if left <= 0:
                return
            try:
                message = mailbox.get(timeout=min(left, tick))
            except queue.Empty:
                continue
            if message is watch:
                return
            if isinstance(message, dict):
                live = None if message["type"] == "DELETED" else message["object"]
    finally:
        watch.stop()


def _deliver(watch: Watch, mailbox: Mailbox) -> None:
    try:
        for event in watch:
            if event["type"] == "ERROR":
                break
            mailbox.put(event)
    except Exception:  # whatever ends a watch, the answer is the same: ask anew
        pass
    mailbox.put(watch)


def _get(cluster: Cluster, path: str) -> Object | None:
    try:
        return cluster.request("GET", path)
    except ApiError as error:
        if error.code == 404:
            return None
        raise
