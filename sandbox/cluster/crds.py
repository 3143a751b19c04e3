"""The custom resource kinds of the stacks: those of the toolchain's modules, and those that no module carries."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from sandbox.cluster.api import Api, connect
from sandbox.errors import SandboxError
from sandbox.gateways import kinds

_PATIENCE = 120.0
_PATH = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def apply(kubeconfig: Path, folder: Path) -> None:
    """Apply every CRD of `folder`, and those of gateway controllers, and wait until the API server serves them all."""
    every = [*(json.loads(file.read_text()) for file in sorted(folder.glob("*.json"))), *kinds.definitions()]
    with connect(kubeconfig) as api, ThreadPoolExecutor(8) as together:
        list(together.map(lambda one: _apply(api, one), every))


def _apply(api: Api, wanted: dict[str, Any]) -> None:
    name = wanted["metadata"]["name"]
    path = f"{_PATH}/{name}"
    definition = api.apply(path, wanted)
    deadline = time.monotonic() + _PATIENCE
    while not _established(definition):
        if time.monotonic() > deadline:
            raise SandboxError(
                f"the API server did not take the CRD {name} within {_PATIENCE:.0f} s: {definition.get('status')}"
            )
        time.sleep(0.05)
        definition = api.get(path)


def _established(definition: dict[str, Any]) -> bool:
    conditions = definition.get("status", {}).get("conditions") or []
    return any(one["type"] == "Established" and one["status"] == "True" for one in conditions)
