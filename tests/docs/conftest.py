"""Tools for the tests of the pages, such as the real Pulumi CLI."""

from collections.abc import Callable
from pathlib import Path

import pytest

from sandbox.progress import Progress
from sandbox.toolchain import provide


@pytest.fixture(scope="session")
def tool() -> Callable[[str], Path]:
    """The executable of that name."""
    return lambda name: provide([name], Progress())[name]
