"""The per-user cache of finished results, each with a key of all its inputs."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sandbox.progress import Progress


@dataclass(frozen=True)
class Cache:
    """A folder with `tools/<name>-<key>/` (finished) and `build/` (needed only during builds).

    `dropped-…/` are former build folders in deletion.
    """

    root: Path

    @classmethod
    def of_user(cls) -> "Cache":
        """Return the cache of this user: $XDG_CACHE_HOME or ~/.cache."""
        base = os.environ.get("XDG_CACHE_HOME")
        return cls((Path(base) if base else Path.home() / ".cache") / "llm-d-pd")

    @property
    def build(self) -> Path:
        """Folder of downloads and of the build cache; deleted after all builds."""
        return self.root / "build"

    @property
    def free_gigabytes(self) -> float:
        """Free disk space of the cache, in units of 10⁹ bytes."""
        self.root.mkdir(parents=True, exist_ok=True)
        return shutil.disk_usage(self.root).free / 1e9

    def drop_build(self) -> None:
        """Delete the build folder in the background, because a hundred thousand files can take minutes."""
        self.build.rename(self.root / f"dropped-{time.time_ns()}")
        self.delete_dropped()

    def delete_dropped(self) -> None:
        """Delete former build folders in a low-priority process that survives this one."""
        if dropped := [str(folder) for folder in self.root.glob("dropped-*")]:
            delete = ["sh", "-c", 'nice -n 19 rm -rf -- "$@" &', "sh", *dropped]
            nothing = subprocess.DEVNULL
            subprocess.run(delete, start_new_session=True, stdin=nothing, stdout=nothing, stderr=nothing, check=False)

    def entry(self, name: str, recipe: str, files: Iterable[Path]) -> Path:
        """Return the folder for the result of `files` and of `recipe` (flags, packages, machine)."""
        digest = hashlib.sha256(recipe.encode())
        for file in files:
            digest.update(file.read_bytes())
        return self.root / "tools" / f"{name}-{digest.hexdigest()[:12]}"

    def make(self, entry: Path, make: Callable[[Path], None]) -> None:
        """Fill `entry` by `make(folder)`. The entry appears atomically."""
        unfinished = self.build / f"{entry.name}.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        make(unfinished)
        entry.parent.mkdir(parents=True, exist_ok=True)
        unfinished.rename(entry)

    @contextmanager
    def lock(self, report: Progress) -> Iterator[None]:
        """Let one process build at a time; others wait, then find the finished results."""
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                with report.step("waiting for another process that is building the tools"):
                    fcntl.flock(lock, fcntl.LOCK_EX)
            yield
