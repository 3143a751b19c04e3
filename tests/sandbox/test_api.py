"""An API server that went away is an error of one line."""

from pathlib import Path

import pytest
import yaml

from sandbox.cluster.api import connect
from sandbox.errors import SandboxError

NOBODY = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "gone",
    "contexts": [{"name": "gone", "context": {"cluster": "gone", "user": "gone"}}],
    "clusters": [{"name": "gone", "cluster": {"server": "https://127.0.0.1:1"}}],
    "users": [{"name": "gone", "user": {}}],
}


def test_a_stopped_sandbox_is_named_with_the_way_back(tmp_path: Path) -> None:
    file = tmp_path / "kubeconfig"
    file.write_text(yaml.safe_dump(NOBODY))
    with connect(file) as api, pytest.raises(SandboxError, match="stopped meanwhile; `make up` starts it again"):
        api.get("/api/v1/nodes")
