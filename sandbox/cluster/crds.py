"""The custom resource kinds of the stacks, from the files that the toolchain copied out of their modules."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from sandbox.cluster.api import Api, connect
from sandbox.errors import SandboxError

_PATIENCE = 120.0
_PATH = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def apply(kubeconfig: Path, folder: Path) -> None:
    """Apply every CRD of `folder` and wait until the API server serves them all."""
    with connect(kubeconfig) as api, ThreadPoolExecutor(8) as together:
        list(together.map(lambda file: _apply(api, file), sorted(folder.glob("*.json"))))


def _apply(api: Api, file: Path) -> None:
    path = f"{_PATH}/{file.stem}"
    definition = api.apply(path, json.loads(file.read_text()))
    deadline = time.monotonic() + _PATIENCE
    while not _established(definition):
        if time.monotonic() > deadline:
            raise SandboxError(
                f"the API server did not take the CRD {file.stem} within {_PATIENCE:.0f} s: {definition.get('status')}"
            )
        time.sleep(0.05)
        definition = api.get(path)


def _established(definition: dict[str, Any]) -> bool:
    conditions = definition.get("status", {}).get("conditions") or []
    return any(one["type"] == "Established" and one["status"] == "True" for one in conditions)
