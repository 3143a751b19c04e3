"""`python -m sandbox.toolchain.official <tool>`: prints the folder of a tool's official executables; builds nothing.

Standard library only: workflows run it before anything is installed.
"""

import sys

from sandbox.progress import Progress
from sandbox.toolchain.cache import Cache
from sandbox.toolchain.catalog import SOURCES
from sandbox.toolchain.downloading import NotTaken, fetch


def main(key: str) -> int:
    """Download the archive if it is missing; return 1 if it cannot be had."""
    try:
        print(fetch(key, SOURCES[key], Cache.of_user(), Progress()))
    except NotTaken as why:
        print(why, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
