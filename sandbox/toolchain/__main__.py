"""`python -m sandbox.toolchain [name …]`: provides tools and prints their paths.

Without a name: all tools except those for machines without namespaces. `--official <name>` prints the folder of a
tool's official executables and builds nothing. Standard library only, unless a tool is built: workflows run it before
anything is installed.
"""

import sys
from pathlib import Path

from sandbox.errors import SandboxError
from sandbox.progress import Progress
from sandbox.toolchain import SIMULATION, provide
from sandbox.toolchain.cache import Cache
from sandbox.toolchain.catalog import PACKAGED, SOURCES, Executables
from sandbox.toolchain.downloading import NotTaken, fetch


def main(words: list[str]) -> int:
    """Print one path per line, in the order of the names; progress and errors go to standard error."""
    try:
        found = [official(words[1])] if words[:1] == ["--official"] else _provided(words)
    except NotTaken as why:
        print(why, file=sys.stderr)
        return 1
    except SandboxError as error:
        print(f"\nerror: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped; what is built so far is kept", file=sys.stderr)
        return 130
    print(*found, sep="\n")
    return 0


def official(name: str) -> Path:
    """Return the folder of a tool's official executables; download the archive if it is missing. Raises `NotTaken`."""
    return fetch(name, SOURCES[name], Cache.of_user(), Progress())


def _provided(names: list[str]) -> list[Path]:
    known = [
        name for key, one in SOURCES.items() for name in (sorted(one.names) if isinstance(one, Executables) else [key])
    ]
    if unknown := set(names) - {*known, *PACKAGED}:
        raise SandboxError(f"no such tool: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    return list(provide(names or [name for name in known if name not in SIMULATION], Progress()).values())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
