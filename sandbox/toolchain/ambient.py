"""Tools that the machine already has."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from sandbox.toolchain.catalog import Executables

_VERSION = re.compile(r"\bv?(\d+)\.(\d+)\.(\d+)")


def on_path(name: str, source: Executables) -> Path | None:
    """Return the executable `name` on PATH if it runs and prints a version that fits `source`."""
    found = shutil.which(name)
    if not found or not source.fits:
        return None
    quiet = {**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "true"}
    try:
        done = subprocess.run([found, *source.asks], env=quiet, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = _VERSION.search(done.stdout + done.stderr)
    if done.returncode or not match:
        return None
    first, below = source.fits
    major, minor, patch = (int(part) for part in match.groups())
    return Path(found) if first <= (major, minor, patch) < below else None
