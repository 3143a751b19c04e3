"""`.venv/bin/python -m sandbox.locking <index>`: writes the lock files anew, after a change of a version.

A lock file has what one requirements file needs, with the digests of all wheels for glibc on x86_64 and aarch64 and
CPython 3.11 to 3.14. Versions are those of constraints.txt, which both environments must have (`make tools`).
`<index>` is the address of a package index with the JSON form of PEP 691, such as the one that pip uses.
"""

import json
import re
import sys
import urllib.request
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import canonicalize_name, parse_wheel_filename

from sandbox.errors import SandboxError
from sandbox.home import CHECKOUT
from sandbox.progress import Progress

PYTHONS = ((3, 11), (3, 12), (3, 13), (3, 14))
MACHINES = ("x86_64", "aarch64")
_NEWEST_GLIBC = 45
"""Wheels for glibc 2.5 up to, and without, this minor version of glibc 2 are taken."""
_HEAD = "# Made by `python -m sandbox.locking` from {}. pip checks every digest.\n"


@dataclass(frozen=True)
class Lock:
    """A lock file, all paths relative to the checkout. `base` is a lock file that it includes."""

    file: str
    requirements: str
    constraints: str
    environment: str
    base: str | None = None


LOCKS = (
    Lock("requirements.lock", "requirements.txt", "constraints.txt", ".venv"),
    Lock("requirements-sandbox.lock", "requirements-sandbox.txt", "constraints.txt", ".venv", "requirements.lock"),
    Lock("requirements-dev.lock", "requirements-dev.txt", "constraints.txt", ".venv", "requirements-sandbox.lock"),
    Lock("policy/requirements.lock", "policy/requirements.txt", "policy/constraints.txt", "policy/.venv"),
)
GO = "sandbox/toolchain/go.lock"
"""Lock file of one package without dependencies; its version is written by hand."""

_MARKERS = [
    {"python_version": f"{major}.{minor}", "python_full_version": f"{major}.{minor}.0", "platform_machine": machine}
    for major, minor in PYTHONS
    for machine in MACHINES
]
_TARGETS: list[frozenset[Tag]] = [
    frozenset((*cpython_tags(python, platforms=platforms), *compatible_tags(python, f"cp{python[1]}", platforms)))
    for python in PYTHONS
    for platforms in (
        [f"manylinux{form}_{machine}" for form in ("2014", *(f"_2_{minor}" for minor in range(5, _NEWEST_GLIBC)))]
        for machine in MACHINES
    )
]


def pins(file: Path) -> dict[str, str]:
    """Return name==version of each line by name, in canonical form, without the lines of included files."""
    lines = re.findall(r"^([\w.-]+)==(\S+)", file.read_text(), re.MULTILINE)
    return {(name := canonicalize_name(each)): f"{name}=={version}" for each, version in lines}


def needed(lock: Lock) -> set[str]:
    """Return the canonical names of all that the requirements need on one of the targets, those of `base` included."""
    packages = next((CHECKOUT / lock.environment).glob("lib/python*/site-packages"))
    installed: Mapping[str, Distribution] = {
        canonicalize_name(one.name): one for one in distributions(path=[str(packages)])
    }
    todo = list(_direct(CHECKOUT / lock.requirements))
    found: set[str] = set()
    while todo:
        requirement = todo.pop()
        name = canonicalize_name(requirement.name)
        found.add(name)
        for line in installed[name].requires or []:
            further = Requirement(line)
            if canonicalize_name(further.name) not in found and _applies(further, requirement.extras):
                todo.append(further)
    return found


def _direct(file: Path) -> Iterable[Requirement]:
    for line in file.read_text().splitlines():
        option, _, value = line.partition(" ")
        if option == "-r":
            yield from _direct(file.parent / value)
        elif line and not line.startswith(("#", "-")):
            yield Requirement(line)


def _applies(requirement: Requirement, extras: Iterable[str]) -> bool:
    marker = requirement.marker
    return marker is None or any(marker.evaluate({**each, "extra": one}) for each in _MARKERS for one in ("", *extras))


def digests(pin: str, files: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the SHA-256 of each wheel that a target can install; `files` is an index's list for the project.

    Raises `SandboxError` if a target has no wheel: pip would not install the lock file there.
    """
    version = pin.partition("==")[2]
    wheels = {
        str(file["hashes"]["sha256"]): parse_wheel_filename(file["filename"])[3]
        for file in files
        if file["filename"].endswith(".whl") and file["filename"].split("-")[1] == version
    }
    if not all(any(tags & target for tags in wheels.values()) for target in _TARGETS):
        raise SandboxError(
            f"{pin} has no wheel for one of CPython 3.11 to 3.14, x86_64 and aarch64: pin another version"
        )
    return sorted(digest for digest, tags in wheels.items() if any(tags & target for target in _TARGETS))


def main(index: str) -> None:
    """Write all lock files."""
    for lock in LOCKS:
        names = needed(lock) - (needed(_base(lock)) if lock.base else set())
        known = pins(CHECKOUT / lock.constraints)
        head = _HEAD.format(f"{lock.requirements} and {lock.constraints}")
        base = f"-r {lock.base}\n" if lock.base else ""
        _write(lock.file, head + base, [known[name] for name in sorted(names)], index)
    _write(GO, _HEAD.format("its own version"), list(pins(CHECKOUT / GO).values()), index)


def _base(lock: Lock) -> Lock:
    return next(one for one in LOCKS if one.file == lock.base)


def _write(file: str, head: str, wanted: Iterable[str], index: str) -> None:
    with Progress().step(f"asking for the digests in {file}"):
        lines = [" \\\n    ".join((pin, *(f"--hash=sha256:{one}" for one in _asked(pin, index)))) for pin in wanted]
    (CHECKOUT / file).write_text(head + "\n".join(lines) + "\n")


def _asked(pin: str, index: str) -> list[str]:
    asked = urllib.request.Request(
        f"{index.rstrip('/')}/{pin.partition('==')[0]}/", headers={"Accept": "application/vnd.pypi.simple.v1+json"}
    )
    with urllib.request.urlopen(asked, timeout=30) as answer:
        return digests(pin, json.load(answer)["files"])


if __name__ == "__main__":
    main(sys.argv[1])
