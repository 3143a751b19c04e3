"""The kubeconfig of the tests of the program, and no config.json of this machine."""

from pathlib import Path

import pytest

from tests.program.conftest import kubeconfig

__all__ = ["kubeconfig"]


@pytest.fixture(autouse=True)
def no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
