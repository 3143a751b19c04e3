"""Says, while `pulumi up` waits, which pods can't run and which setting would change that."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sandbox.cluster.api import ApiError, connect
from sandbox.errors import SandboxError
from sandbox.progress import Progress
from sandbox.situation import Situation, Waiting

_INTERVAL = 1.0


@contextmanager
def watching(kubeconfig: Path, report: Progress) -> Iterator[None]:
    """Watch while the body runs; each complaint is said once, when two looks in a row have seen it."""
    ended = threading.Event()
    watcher = threading.Thread(target=_watch, args=(kubeconfig, report, ended))
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()


def _watch(kubeconfig: Path, report: Progress, ended: threading.Event) -> None:
    said: set[Waiting] = set()
    before: set[Waiting] = set()
    with connect(kubeconfig) as api:
        while not ended.wait(_INTERVAL):
            try:
                now = set(Situation.now(api).waiting())
            except (ApiError, SandboxError):
                return  # the sandbox was stopped meanwhile; Pulumi says so
            for one in sorted((now & before) - said, key=str):
                report.say(f"\n{one}")
            said |= now & before
            before = now
