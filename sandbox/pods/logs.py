"""Logs of containers: a file for the present run and one for the previous run.

Containers write the files themselves, so that long logs cost the pod runner nothing. The logs have no times.
"""

import os
from collections import deque
from dataclasses import dataclass
from pathlib import Path

MOST_BYTES = 10 * 1024 * 1024
"""A larger file is cut to its newest half. A kubelet starts a new file at the same size."""
_MESSAGE_LINES, _MESSAGE_BYTES = 80, 2048
"""A kubelet's limits for a termination message from the log (FallbackToLogsOnError)."""


def folder(root: Path, pod: str, namespace: str) -> Path:
    """Return the folder of a pod's logs."""
    return root / f"{namespace}_{pod}"


@dataclass(frozen=True)
class Log:
    """The log of one container."""

    path: Path

    @property
    def previous(self) -> Path:
        """File of the previous run."""
        return self.path.with_name(self.path.name + ".1")

    def begin(self) -> int:
        """Rename the last run's file and return a new one, open for writing."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self.path.exists():
            self.path.replace(self.previous)
        opened = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC)
        os.fchmod(opened, 0o666)  # programs of any user may open /dev/stdout by its path, as Envoy does
        return opened

    def bound(self) -> None:
        """Drop the older half of a file that is too large. Lines written at the same moment may be lost."""
        if not self.path.exists() or self.path.stat().st_size <= MOST_BYTES:
            return
        with self.path.open("rb+") as file:
            file.seek(-MOST_BYTES // 2, os.SEEK_END)
            newest = file.read().partition(b"\n")[2]
            file.truncate(0)
        with self.path.open("ab") as file:
            file.write(newest)

    def message(self) -> str:
        """Return the end of the log, short enough for a termination message."""
        if not self.path.exists():
            return ""
        with self.path.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - 64 * 1024))
            lines = deque(file, _MESSAGE_LINES)
        return b"".join(lines)[-_MESSAGE_BYTES:].decode(errors="replace")
