"""`python -m sandbox.toolchain [name …]`: provides tools and prints their paths.

Without a name: all tools except those for machines without namespaces.
"""

import sys

from sandbox.errors import SandboxError
from sandbox.progress import Progress
from sandbox.toolchain import SIMULATION, provide
from sandbox.toolchain.catalog import PACKAGED, SOURCES, Executables


def main(names: list[str]) -> int:
    """Print one path per line, in the order of the names; progress and errors go to standard error."""
    known = [
        name for key, one in SOURCES.items() for name in (sorted(one.names) if isinstance(one, Executables) else [key])
    ]
    try:
        if unknown := set(names) - {*known, *PACKAGED}:
            raise SandboxError(f"no such tool: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
        found = provide(names or [name for name in known if name not in SIMULATION], Progress())
    except SandboxError as error:
        print(f"\nerror: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped; what is built so far is kept", file=sys.stderr)
        return 130
    print(*found.values(), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
