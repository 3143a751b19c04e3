"""What containers print: one file each, as they write it, and that of the run before.

Containers write into the files themselves, so that a chatty one costs the pod runner nothing; no times are kept.
"""

import os
from collections import deque
from dataclasses import dataclass
from pathlib import Path

MOST_BYTES = 10 * 1024 * 1024
"""A file that grows beyond this keeps its newest half. A kubelet starts a new file at the same size."""
_MESSAGE_LINES, _MESSAGE_BYTES = 80, 2048
"""How much of a log a kubelet takes as termination message (FallbackToLogsOnError)."""


def folder(root: Path, pod: str, namespace: str) -> Path:
    """Return the folder of a pod's logs."""
    return root / f"{namespace}_{pod}"


@dataclass(frozen=True)
class Log:
    """The log of one container."""

    path: Path

    @property
    def previous(self) -> Path:
        """The file of the run before this one."""
        return self.path.with_name(self.path.name + ".1")

    def begin(self) -> int:
        """Put the last run's file aside and return a new one, open for a container to write to."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self.path.exists():
            self.path.replace(self.previous)
        opened = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC)
        os.fchmod(opened, 0o666)  # a program of any user may open /dev/stdout by its path, as Envoy does
        return opened

    def bound(self) -> None:
        """Drop the older half if the file has grown too large; what is written in this very moment may be lost."""
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
