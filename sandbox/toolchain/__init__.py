"""Provides the tools: from PATH if the version fits, else once into a per-user cache.

The cache gets the official archive if there is a digest for it and its host can be reached, else a build from pinned Go
modules.
"""

import os
import shutil
import sys
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from sandbox.progress import Progress, clock
from sandbox.toolchain import catalog, downloading
from sandbox.toolchain.cache import Cache
from sandbox.toolchain.catalog import GIVEN, PACKAGED, SOURCES, Executables, Source

CONTROL_PLANE = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "crds")
"""Tools of the control plane; "crds" is the folder of the CRDs as JSON."""

ISTIO = ("pilot-discovery", "pilot-agent", "istio-bootstrap", "istio-manifests")
"""istio: control plane, agent of its proxies, their configuration, and the objects that install it."""

SIMULATION = ("kwok",)
"""Tool that reports pods as Ready on a machine without namespaces, where they can't run."""

DATA_PATH = (
    "epp-v0.7.1",
    "epp-v0.4.0",
    "pd-sidecar-v0.7.1",
    "pd-sidecar-v0.4.0",
    "llm-d-inference-sim",
    "envoy",
    *ISTIO,
)
"""Programs for pods; `sandbox.session` selects those that one stack needs."""

SANDBOX = (*CONTROL_PLANE, *DATA_PATH)
"""All tools of a sandbox."""


def provide(
    names: Iterable[str],
    report: Progress,
    *,
    cache: Cache | None = None,
    sources: Mapping[str, Source] = SOURCES,
) -> dict[str, Path]:
    """Return the path of each tool; build missing ones.

    A name is an executable of `sources`, one of its sets of definitions (then the path is a folder), or an executable
    in a Python package. Raises `SandboxError` when a build fails; finished tools stay, so the next call continues.
    """
    cache = cache or Cache.of_user()
    cache.delete_dropped()
    names = list(names)
    packaged = {name: PACKAGED[name].path for name in names if name in PACKAGED}
    packaged |= {name: catalog.given(name) for name in names if name in GIVEN}
    wanted = {name: _source_of(name, sources) for name in names if name not in packaged}
    with ThreadPoolExecutor() as asking:
        ready = dict(
            zip(wanted, asking.map(lambda name: _ready(name, wanted[name], cache, sources), wanted), strict=True)
        )
    missing = sorted({wanted[name] for name, path in ready.items() if path is None}, key=list(sources).index)
    if missing:
        with cache.lock(report):
            _make_all(missing, cache, sources, report)
    made = {name: path or _cached(name, wanted[name], cache, sources) for name, path in ready.items()}
    return made | packaged


def places(names: Iterable[str]) -> dict[str, Path]:
    """Return the present or future path of each tool in the user's cache or the virtual environment; build nothing.

    The programs that come from PATH only are there, too, if they are on it: a later change of settings may need them.
    """
    cache = Cache.of_user()
    given = {name: Path(path) for name in GIVEN if (path := shutil.which(name))}
    return given | {
        name: PACKAGED[name].path if name in PACKAGED else _cached(name, _source_of(name, SOURCES), cache, SOURCES)
        for name in names
    }


def _source_of(name: str, sources: Mapping[str, Source]) -> str:
    for key, source in sources.items():
        if name in (source.names or {key}):
            return key
    raise KeyError(f"no source offers {name!r}")


def _ready(name: str, key: str, cache: Cache, sources: Mapping[str, Source]) -> Path | None:
    source = sources[key]
    found = catalog.on_path(name, source) if isinstance(source, Executables) and name in source.packages else None
    cached = _cached(name, key, cache, sources)
    return found or (cached if cached.exists() else None)


def _cached(name: str, key: str, cache: Cache, sources: Mapping[str, Source]) -> Path:
    place = _place(key, cache, sources)
    return place / name if isinstance(sources[key], Executables) else place


def _place(key: str, cache: Cache, sources: Mapping[str, Source]) -> Path:
    """Return the folder that has the results, built or downloaded, or will have them."""
    official = downloading.entry(key, sources[key], cache)
    return official if official and official.exists() else _entry(key, cache, sources)


def _entry(key: str, cache: Cache, sources: Mapping[str, Source]) -> Path:
    files = sorted(filter(Path.is_file, sources[key].folder.rglob("*")))
    return cache.entry(key, f"{sys.platform} {os.uname().machine} {sources[key].recipe}", files)


def _make_all(keys: list[str], cache: Cache, sources: Mapping[str, Source], report: Progress) -> None:
    """Make the tools that are still missing with the lock held, then delete the folder of downloads and build cache."""
    missing = [key for key in keys if not _place(key, cache, sources).exists()]
    if todo := downloading.take(missing, sources, cache, report):
        _build_all(todo, cache, sources, report)
    if missing:
        cache.drop_build()


def _build_all(todo: list[str], cache: Cache, sources: Mapping[str, Source], report: Progress) -> None:
    """Build these tools. All share the build cache. If the disk is too small, it is deleted after each tool."""
    from sandbox.toolchain import building  # noqa: PLC0415  (YAML is needed here only)

    minutes, disk = (sum(getattr(sources[key], what) for key in todo) for what in ("minutes", "gigabytes"))
    report.say(
        f"Building {len(todo)} tools into {cache.root}, once: about {clock(minutes * 60)} on two cores. "
        f"The build needs up to {disk:.1f} GB of free disk, which it frees afterwards."
    )
    shared = cache.free_gigabytes >= disk
    if not shared:
        report.say(f"Only {cache.free_gigabytes:.0f} GB are free: the tools share no build cache, which takes longer.")
    go = building.find(cache.build, building.needed(sources[key].folder / "go.mod" for key in todo), report)
    slowness, expected, begun = 1.0, 0.0, time.monotonic()
    ahead = ThreadPoolExecutor(1)  # download the next tools while the processors compile this one
    for key in todo:
        ahead.submit(building.download, sources[key], go)  # `make` reports a failed download
    try:
        for number, key in enumerate(todo, start=1):
            with report.step(f"[{number}/{len(todo)}] {key}", expected=sources[key].minutes * 60 * slowness):
                cache.make(_entry(key, cache, sources), partial(building.make, sources[key], go))
                if not shared:
                    go.drop_build_cache()
            expected += sources[key].minutes * 60
            slowness = (time.monotonic() - begun) / expected
            if number < len(todo):
                report.say(f"about {clock((minutes * 60 - expected) * slowness)} left")
    finally:
        ahead.shutdown(cancel_futures=True)
