"""Following a live object until it is as wanted, gone, or there is no more time; stopped at once by a cancel."""

import contextlib
import queue
import threading
import time
from collections.abc import Iterator

from sandbox.engine.kubernetes.api import ApiError, Cluster, Object, Watch


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
    def mailbox(self) -> Iterator["queue.SimpleQueue[object]"]:
        """A queue that a cancel also wakes."""
        mailbox: queue.SimpleQueue[object] = queue.SimpleQueue()
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

    Ends at `deadline` (of `time.monotonic`). Raises `Cancelled`, and `ApiError` or `ClusterUnreachable` when the server
    fails in the meantime.
    """
    collection, name = cluster.path(obj, named=False), obj["metadata"]["name"]
    with canceller.mailbox() as mailbox:
        while True:
            canceller.check()
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
                    canceller.check()
                    if message is watch:  # the server has ended it: ask anew, but not in a hot loop
                        canceller.sleep(0.1)
                        break
                    if isinstance(message, dict):
                        live = None if message["type"] == "DELETED" else message["object"]
            finally:
                watch.stop()


def _deliver(watch: Watch, mailbox: "queue.SimpleQueue[object]") -> None:
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
