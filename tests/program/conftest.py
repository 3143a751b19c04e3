"""Every test of the program reads a kubeconfig of its own, never the machine's."""

from pathlib import Path

import pytest

KUBECONFIG = """
current-context: gpus
contexts:
- {name: gpus, context: {cluster: gpus}}
- {name: other, context: {cluster: other}}
clusters:
- {name: gpus, cluster: {server: "https://gpus.example.com:6443"}}
- {name: other, cluster: {server: "https://other.example.com:6443"}}
"""


@pytest.fixture(autouse=True)
def kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "kubeconfig"
    file.write_text(KUBECONFIG)
    monkeypatch.setenv("KUBECONFIG", str(file))
