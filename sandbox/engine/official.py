"""Where the official language host and Kubernetes plugin are, if this machine has or can get them.

Neither is in a package registry. They are looked for on PATH, beside the CLI and among the user's Pulumi plugins, then
one short download is tried; when it fails, the reason is remembered in the cache and it isn't tried again.
"""

import os
import platform
import shutil
import tarfile
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

HOST = "pulumi-language-python"
PLUGIN = "pulumi-resource-kubernetes"

BASE = "https://get.pulumi.com/releases"
"""Where Pulumi publishes its executables."""

CONNECT_SECONDS = 5
"""How long a machine without internet waits, once."""

DOWNLOAD_SECONDS = 180
"""The SDK archive with the language host is about 100 MB; slower than this and the stand-ins start sooner."""


@dataclass(frozen=True)
class Official:
    """Folders that hold the official executables; None where a stand-in has to do, and why."""

    host: Path | None
    plugin: Path | None
    reason: str = ""


def find(cli: Path, cache: Path, environ: Mapping[str, str]) -> Official:
    """Find both executables, downloading what is missing into `cache` at most once for good."""
    path = environ.get("PATH", "")
    downloads = cache / f"pulumi-official-{version('pulumi')}-{version('pulumi-kubernetes')}"
    places = [cli.resolve().parent, *_user_plugins(environ), downloads]

    def where(name: str) -> Path | None:
        on_path = shutil.which(name, path=path)
        found = [Path(on_path).parent] if on_path else [place for place in places if (place / name).is_file()]
        return found[0] if found else None

    host, plugin = where(HOST), where(PLUGIN)
    if host and plugin:
        return Official(host, plugin)
    failed = downloads / "unavailable"
    if not failed.is_file():
        downloads.mkdir(parents=True, exist_ok=True)
        try:
            for name, present in ((PLUGIN, plugin), (HOST, host)):
                if not present:
                    _download(_url(name), downloads)
        except (OSError, tarfile.TarError, KeyError) as error:
            failed.write_text(f"{type(error).__name__}: {error}\n")
    reason = (
        f"not downloadable ({failed.read_text().strip()}; delete {failed} to try again)" if failed.is_file() else ""
    )
    return Official(where(HOST), where(PLUGIN), reason)


def _user_plugins(environ: Mapping[str, str]) -> list[Path]:
    """The user's own plugin folders of the pinned minor version, newest patch first."""
    home = Path(environ.get("PULUMI_HOME") or Path.home() / ".pulumi")
    minor = version("pulumi-kubernetes").rpartition(".")[0]
    folders = home.joinpath("plugins").glob(f"resource-kubernetes-v{minor}.*")
    patches = {int(folder.name.rpartition(".")[2]): folder for folder in folders if folder.name[-1].isdigit()}
    return [patches[patch] for patch in sorted(patches, reverse=True)]


def _url(name: str) -> str:
    """The archive that carries an executable; KeyError for a machine that Pulumi doesn't publish for."""
    machine = {"x86_64": ("amd64", "x64"), "aarch64": ("arm64", "arm64")}[platform.machine()]
    if name == PLUGIN:
        return f"{BASE}/plugins/{PLUGIN}-v{version('pulumi-kubernetes')}-linux-{machine[0]}.tar.gz"
    return f"{BASE}/sdk/pulumi-v{version('pulumi')}-linux-{machine[1]}.tar.gz"


def _download(url: str, folder: Path) -> None:
    """Stream the archive and keep our executables (the language host comes with its `-exec` script)."""
    deadline = time.monotonic() + DOWNLOAD_SECONDS
    with (
        urllib.request.urlopen(url, timeout=CONNECT_SECONDS) as response,
        tarfile.open(fileobj=response, mode="r|gz") as archive,
    ):
        for member in archive:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{url} took more than {DOWNLOAD_SECONDS} s")
            name = Path(member.name).name
            source = archive.extractfile(member) if name.startswith((HOST, PLUGIN)) else None
            if source:
                unfinished = folder / f"{name}.{os.getpid()}"
                with unfinished.open("wb") as target:
                    shutil.copyfileobj(source, target)
                unfinished.chmod(0o755)
                unfinished.replace(folder / name)
