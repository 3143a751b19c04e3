"""Provides the environment of real vLLM, built once per user, if this machine can run it."""

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sandbox.modelserver import recipe, stubs
from sandbox.progress import Progress
from sandbox.toolchain.cache import Cache

INSTRUCTIONS = frozenset(("avx2", "f16c", "fma"))
"""Flags of /proc/cpuinfo. Without AVX-512, vLLM 0.17.1 loads `vllm/_C_AVX2.abi3.so` (`import_kernels` in its
vllm/platforms/cpu.py), which is compiled for these instructions and does not check them."""

CACHED = "vllm-cache"
"""Folder of the tiny model with vLLM's cache of it (`model.py`)."""
_MODEL = Path(__file__).with_name("model.py")
_CPUINFO = Path("/proc/cpuinfo")
_PYTHON = repr(sys.version_info[:2])
_PYTHONS = ((3, 11), (3, 12), (3, 13))
_GLIBC = (2, 28)
"""glibc that the wheels need: their tags are manylinux_2_28 and older."""
_PROGRAMS = ("gcc", "nm", "readelf")
_DOWNLOAD, _KEPT, _NEEDED = 1.2, 1.6, 6.0
"""10⁹ bytes. A build needs space for the wheels, their contents, and pip's cache."""
_MINUTES = 6

_ISOLATION = (
    "import os; from sandbox.cluster import namespaces as n; "
    "(n.unshare_users if os.getuid() else n.unshare)(n.NEW_NETWORK | n.NEW_MOUNTS | n.NEW_PIDS)"
)


@dataclass(frozen=True)
class Environment:
    """The environment of real vLLM. `python -m vllm.entrypoints.cli.main` is its command `vllm`."""

    venv: Path
    python: Path
    model: Path


def provide(report: Progress, cache: Cache | None = None) -> Environment:
    """Return the environment; build missing parts. Raises `SandboxError` when that fails."""
    cache = cache or Cache.of_user()
    entry = place(cache)
    model = cache.entry("vllm-model", _PYTHON, [_MODEL, recipe.LOCK])
    venv = entry / "venv"
    python = venv / "bin" / "python"
    if not (entry.exists() and model.exists()):
        with cache.lock(report):
            if not entry.exists():
                _build(entry, cache, report)
            if not model.exists():
                with report.step("making the tiny model", expected=30):
                    cache.make(model, lambda folder: _make_model(python, folder, cache))
            cache.drop_build()
    return Environment(venv, python, model)


def lacks_instructions() -> bool:
    """Whether the processor lacks instructions that the wheels need."""
    return platform.machine() != "x86_64" or not _flags(_CPUINFO.read_text()) >= INSTRUCTIONS


def unfit() -> str | None:
    """Return in one line why this machine cannot run real vLLM; None if it can.

    Before the environment is built, needs of the build count, too.
    """
    return next(_reasons(Cache.of_user()), None)


def _reasons(cache: Cache) -> Iterator[str]:
    if lacks_instructions():
        wanted = ", ".join(sorted(INSTRUCTIONS))
        yield f"vLLM's CPU build is compiled for x86_64 with {wanted}, which this processor does not have"
    if sys.version_info[:2] not in _PYTHONS or sys.implementation.name != "cpython":
        wanted = ", ".join(f"{major}.{minor}" for major, minor in _PYTHONS)
        yield f"the lock has wheels for CPython {wanted}, and .venv has {platform.python_version()}"
    name, _, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")
    if name != "glibc" or tuple(map(int, version.split(".")[:2])) < _GLIBC:
        yield f"the wheels need glibc {_GLIBC[0]}.{_GLIBC[1]} or newer, and this machine has {version or 'none'}"
    if not _has_namespaces():
        yield "pods need network namespaces, and this machine allows none"
    if place(cache).exists():
        return
    if missing := [program for program in _PROGRAMS if not shutil.which(program)]:
        yield f"{', '.join(missing)} not found on PATH: install gcc and binutils"
    if (free := cache.free_gigabytes) < _NEEDED:
        yield f"building it takes {_NEEDED:.0f} GB of free disk in the user's cache folder, and {free:.1f} GB are free"


def _flags(cpuinfo: str) -> frozenset[str]:
    """Return the instruction flags of the first processor."""
    for line in cpuinfo.splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "flags":
            return frozenset(value.split())
    return frozenset()


def _has_namespaces() -> bool:
    command = [sys.executable, "-c", _ISOLATION]
    return not subprocess.run(command, cwd=recipe.FOLDER.parent.parent, capture_output=True, check=False).returncode


def place(cache: Cache | None = None) -> Path:
    """Return the folder in which the environment is or will be."""
    cache = cache or Cache.of_user()
    return cache.entry("vllm", _PYTHON, [recipe.LOCK, Path(recipe.__file__), Path(stubs.__file__)])


def _make_model(python: Path, folder: Path, cache: Cache) -> None:
    recipe.run([str(python), str(_MODEL), str(folder), str(folder / CACHED)], cache.build)


def _build(entry: Path, cache: Cache, report: Progress) -> None:
    report.say(
        f"Installing vLLM 0.17.1 with NIXL into {entry}, once: {_DOWNLOAD:.1f} GB of downloads, {_KEPT:.1f} GB kept, "
        f"about {_MINUTES} minutes on two cores."
    )
    cache.make(entry, lambda folder: recipe.build(folder, cache.build / "pip", report))
