"""Takes official archives in place of builds, if their hosts can be reached and the digests are right."""

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

from sandbox.errors import SandboxError
from sandbox.progress import Progress
from sandbox.toolchain.cache import Cache
from sandbox.toolchain.catalog import Archive, Source

CONNECT_SECONDS = 5.0
"""Limit for a connection, and for a pause of the answer."""

JUDGED_AFTER = 10.0
"""Seconds after which a download that would take longer than the build ends."""

_MB = 1_000_000


class NotTaken(Exception):
    """Why an archive is not taken. `unreachable`: its host did not answer."""

    def __init__(self, why: str, *, unreachable: bool = False) -> None:
        super().__init__(why)
        self.unreachable = unreachable


def entry(key: str, source: Source, cache: Cache) -> Path | None:
    """Return the folder for the official executables of a source; None if they are not wanted here or not known.

    Raises `SandboxError` for an unknown value of $DOWNLOAD.
    """
    archive = _archive(source)
    return cache.entry(f"{key}-official", f"{archive.digest} {archive.members}", []) if archive else None


def take(keys: Iterable[str], sources: Mapping[str, Source], cache: Cache, report: Progress) -> list[str]:
    """Download what has an archive; return the keys of the others, which have to be built, with the reasons on screen.

    There is one attempt per archive, and none on a host that another attempt could not reach.
    """
    left, unreachable = [], set[str]()
    for key in keys:
        archive = _archive(sources[key])
        if not archive or archive.host in unreachable:
            left.append(key)
            continue
        try:
            fetch(key, sources[key], cache, report)
        except NotTaken as why:
            if why.unreachable:
                unreachable.add(archive.host)
            report.say(f"{why}\n{key} is built instead.")
            left.append(key)
    return left


def fetch(key: str, source: Source, cache: Cache, report: Progress) -> Path:
    """Return the folder of the official executables; download them if they are missing. Raises `NotTaken`."""
    archive, target = _archive(source), entry(key, source, cache)
    if not archive or not target:
        raise NotTaken(f"error: no official archive of {key} is wanted or known on this machine")
    if target.exists():
        return target
    download = _Download(archive, source.names, source.minutes * 60)
    try:
        with report.step(f"downloading {key} from {archive.host}", state=download.state):
            cache.make(target, download.fill)
    except (OSError, http.client.HTTPException, tarfile.TarError) as error:
        answered = download.size or not isinstance(error, OSError) or isinstance(error, urllib.error.HTTPError)
        raise NotTaken(f"{archive.url}: {error}", unreachable=not answered) from error
    return target


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
                    raise NotTaken(
                        f"{self._archive.url}: {self.state()} after {passed:.0f} s. At this pace the build is faster."
                    )
        if self._received < self.size:
            raise NotTaken(f"{self._archive.url}: the answer ended after {self._received} of {self.size} bytes.")
        if digest.hexdigest() != wanted:
            raise NotTaken(
                "error: a downloaded file is not the one that was released. It is deleted and was not unpacked.\n"
                f"  file:   {self._archive.url}\n"
                f"  wanted: {self._archive.digest} (sandbox/toolchain/catalog.py)\n"
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
            raise NotTaken(f"{self._archive.url}: the archive has no {', '.join(sorted(missing))}.")

    def _keeps(self, name: str) -> bool:
        return any(fnmatchcase(name, pattern) for pattern in self._archive.members)
