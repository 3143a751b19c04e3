"""Takes official archives in place of builds, if their hosts can be reached and the digests are right.

`python -m sandbox.toolchain.downloading <tool>` prints the folder of a tool's official executables. Standard library
only: workflows run it before anything is installed.
"""

import hashlib
import http.client
import os
import shutil
import sys
import tarfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from urllib.parse import urlsplit

from sandbox.errors import SandboxError
from sandbox.progress import Progress
from sandbox.toolchain.archives import Archive
from sandbox.toolchain.cache import Cache
from sandbox.toolchain.catalog import SOURCES, Source

CONNECT_SECONDS = 5.0
"""Limit for a connection, and for a pause of the answer."""

JUDGED_AFTER = 10.0
"""Seconds after which a download that would take longer than the build ends."""

_MB = 1_000_000
_FAILURES = (OSError, http.client.HTTPException, tarfile.TarError)


class _Failure(Exception):
    """Why an archive is not taken."""


def entry(key: str, source: Source, cache: Cache) -> Path | None:
    """Return the folder for the official executables of a source; None if they are not wanted here or not known.

    Raises `SandboxError` for an unknown value of $DOWNLOAD.
    """
    archive = _archive(source)
    return _entry(key, archive, cache) if archive else None


def _entry(key: str, archive: Archive, cache: Cache) -> Path:
    return cache.entry(f"{key}-official", f"{archive.digest} {archive.members}", [])


def take(keys: Iterable[str], sources: Mapping[str, Source], cache: Cache, report: Progress) -> list[str]:
    """Download what has an archive; return the keys of the others, which have to be built, with the reasons on screen.

    There is one attempt per archive, and none on a host that another attempt could not reach.
    """
    left, unreachable = [], set[str]()
    for key in keys:
        source = sources[key]
        archive = _archive(source)
        host = urlsplit(archive.url).netloc if archive else ""
        if not archive or host in unreachable:
            left.append(key)
            continue
        download = _Download(archive, source.names, source.minutes * 60)
        try:
            with report.step(f"downloading {key} from {host}", state=download.state):
                cache.make(_entry(key, archive, cache), download.fill)
        except (_Failure, *_FAILURES) as error:
            if isinstance(error, OSError) and not download.size and not isinstance(error, urllib.error.HTTPError):
                unreachable.add(host)
            report.say(
                f"{error if isinstance(error, _Failure) else f'{archive.url}: {error}'}\n{key} is built instead."
            )
            left.append(key)
    return left


def _archive(source: Source) -> Archive | None:
    chosen = os.environ.get("DOWNLOAD", "")
    if chosen not in ("", "never"):
        raise SandboxError(
            f"DOWNLOAD={chosen} means nothing: DOWNLOAD=never builds every tool; without it official archives are "
            "taken where their hosts can be reached"
        )
    return None if chosen or sys.platform != "linux" else source.archives.get(os.uname().machine)


class _Download:
    """One attempt to get the executables `names` in less than `limit` seconds."""

    def __init__(self, archive: Archive, names: frozenset[str], limit: float) -> None:
        self._archive, self._names, self._limit = archive, names, limit
        self._received = 0
        self.size = 0
        """Bytes of the archive; 0 before the host has answered."""

    def state(self) -> str:
        """Return how much there is, for the screen."""
        return f"{self._received / _MB:.0f} of {self.size / _MB:.0f} MB" if self.size else "connecting"

    def fill(self, folder: Path) -> None:
        """Download the archive, compare its digest, and only then unpack its members into `folder`."""
        file = folder / "archive"
        try:
            self._save(file)
            self._unpack(file, folder)
        finally:
            file.unlink(missing_ok=True)

    def _save(self, file: Path) -> None:
        algorithm, _, wanted = self._archive.digest.partition(":")
        digest = hashlib.new(algorithm)
        begun = time.monotonic()
        with (
            urllib.request.urlopen(self._archive.url, timeout=CONNECT_SECONDS) as answer,
            file.open("wb") as target,
        ):
            self.size = int(answer.headers["Content-Length"] or 0)
            while chunk := answer.read1(1 << 16):
                self._received += len(chunk)
                digest.update(chunk)
                target.write(chunk)
                passed = time.monotonic() - begun
                if passed > JUDGED_AFTER and passed * max(self.size / self._received, 1) > self._limit:
                    raise _Failure(
                        f"{self._archive.url}: {self.state()} after {passed:.0f} s. At this pace the build is faster."
                    )
        if self._received < self.size:
            raise _Failure(f"{self._archive.url}: the answer ended after {self._received} of {self.size} bytes.")
        if digest.hexdigest() != wanted:
            raise _Failure(
                "error: a downloaded file is not the one that was released. It is deleted and was not unpacked.\n"
                f"  file:   {self._archive.url}\n"
                f"  wanted: {self._archive.digest} (sandbox/toolchain/archives.py)\n"
                f"  found:  {algorithm}:{digest.hexdigest()}"
            )

    def _unpack(self, file: Path, folder: Path) -> None:
        with tarfile.open(file) as archive:
            for member in archive:
                content = archive.extractfile(member) if member.isfile() and self._keeps(member.name) else None
                if content:
                    target = folder / Path(member.name).name
                    with target.open("wb") as written:
                        shutil.copyfileobj(content, written)
                    target.chmod(0o755)
        missing = self._names - {each.name for each in folder.iterdir()}
        if missing:
            raise _Failure(f"{self._archive.url}: the archive has no {', '.join(sorted(missing))}.")

    def _keeps(self, name: str) -> bool:
        return any(fnmatchcase(name, pattern) for pattern in self._archive.members)


def main(key: str) -> int:
    """Print the folder with the official executables of `key`; return 1 if they cannot be had."""
    cache, report = Cache.of_user(), Progress()
    target = entry(key, SOURCES[key], cache)
    if not target or (not target.exists() and take([key], SOURCES, cache, report)):
        print(f"error: there are no official executables of {key}", file=sys.stderr)
        return 1
    print(target)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
