"""The llm-d release of a stack in the sandbox, and the programs that its pods run."""

import shutil
from collections.abc import Mapping
from typing import Any

PROGRAMS = {
    "0.4": ("epp-v0.4.0", "pd-sidecar-v0.4.0"),
    "0.6": ("epp-v0.7.1", "pd-sidecar-v0.7.1"),
    "0.9": ("epp-v0.10.0", "pd-sidecar-v0.10.0"),
    "0.10": ("epp-v0.11.0", "pd-sidecar-v0.11.0"),
}
"""Endpoint picker and routing sidecar of each release."""
DEFAULT = "0.9"
"""Release of a stack file that names none, on a cluster (`components/config/settings.py`)."""
BUILT = "0.6"
"""Newest release that the sandbox can build; the real vLLM is that of this release, too."""


def of(serving: Mapping[str, Any]) -> str:
    """Return the release of a stack's settings, as the sandbox runs them."""
    return str(serving.get("release") or substitute() or DEFAULT)


def substitute() -> str | None:
    """Return the release for stack files that name none; None: the default, because its programs are on PATH."""
    return None if all(map(shutil.which, PROGRAMS[DEFAULT])) else BUILT


def note(file: str) -> str:
    """Return the note that commands print while the sandbox's copy of a stack file has the substitute release."""
    return (
        f'{file} names no serving.release: the sandbox runs "{BUILT}" in place of the default "{DEFAULT}", which needs '
        f"{' and '.join(PROGRAMS[DEFAULT])} on PATH and SET='serving.release=\"{DEFAULT}\"'"
    )
