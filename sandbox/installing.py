"""`python3 -m sandbox.installing <folder> <lock file>`: makes a virtual environment with these packages.

pip refuses a package if the lock file does not have its digest. Standard library only: it runs before anything is
installed.
"""

import platform
import subprocess
import sys
from pathlib import Path

from sandbox.progress import Progress

_SECONDS = {"requirements-sandbox.lock": 30.0, "requirements-dev.lock": 60.0, "policy/requirements.lock": 30.0}
"""Expected seconds, measured on two cores, downloads included."""

INSTALL = (
    *("install", "--disable-pip-version-check", "--quiet"),
    *("--require-hashes", "--only-binary=:all:", "--requirement"),
)
"""pip's words before a lock file."""


def main(folder: Path, lock: str) -> int:
    """Make the environment if it is missing, and install the packages; return 1 after an error message."""
    pip = [str(folder / "bin" / "python"), "-m", "pip"]
    with Progress().step(f"Installing {lock} into {folder}", expected=_SECONDS.get(lock)):
        if (
            not _works(pip)
            and subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=False).returncode
        ):
            problem = f"{sys.executable} can't make virtual environments: install its package for that, as python3-venv"
        elif subprocess.run([*pip, *INSTALL, lock], check=False).returncode:
            problem = (
                f"pip could not install {lock}: see above. It needs its package index. The lock file has wheels for "
                "CPython 3.11 to 3.14 with glibc on x86_64 and aarch64; this is "
                f"{platform.python_implementation()} {platform.python_version()} on {platform.machine()}"
            )
        else:
            return 0
    print(f"error: {problem}", file=sys.stderr)
    return 1


def _works(pip: list[str]) -> bool:
    try:
        return subprocess.run([*pip, "--version"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2]))
