"""Gives every test of the program a kubeconfig without an API server, instead of the machine's."""

from pathlib import Path

import pytest

KUBECONFIG = """
current-context: gpus
contexts:
- {name: gpus, context: {cluster: gpus}}
- {name: other, context: {cluster: other}}
clusters:
- {name: gpus, cluster: {server: "https://127.0.0.1:1"}}
- {name: other, cluster: {server: "https://127.0.0.1:2"}}
"""


@pytest.fixture(autouse=True)
def kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "kubeconfig"
    file.write_text(KUBECONFIG)
    monkeypatch.setenv("KUBECONFIG", str(file))
