"""`python3 -m sandbox.installing <folder> <requirements file>`: makes a virtual environment with these packages.

Standard library only: it runs before anything is installed.
"""

import subprocess
import sys
from pathlib import Path

from sandbox.progress import Progress

_SECONDS = {"requirements-sandbox.txt": 30.0, "requirements-dev.txt": 60.0, "policy/requirements.txt": 30.0}
"""Expected seconds, measured on two cores, downloads included."""


def main(folder: Path, requirements: str) -> int:
    """Make the environment if it is missing, and install the packages; return 1 after an error message."""
    pip = [str(folder / "bin" / "python"), "-m", "pip"]
    with Progress().step(f"Installing {requirements} into {folder}", expected=_SECONDS.get(requirements)):
        if (
            not _works(pip)
            and subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=False).returncode
        ):
            problem = f"{sys.executable} can't make virtual environments: install its package for that, as python3-venv"
        elif subprocess.run([*pip, *_INSTALL, requirements], check=False).returncode:
            problem = f"pip could not install {requirements}: see above; it needs its package index"
        else:
            return 0
    print(f"error: {problem}", file=sys.stderr)
    return 1


_INSTALL = ("install", "--disable-pip-version-check", "--quiet", "--requirement")


def _works(pip: list[str]) -> bool:
    try:
        return subprocess.run([*pip, "--version"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2]))
