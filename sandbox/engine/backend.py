"""The stacks in Pulumi's file backend: their outputs, and the remains of an interrupted `pulumi`.

Remains that stop the next command are the lock, and objects that no state records.
"""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sandbox.cluster.api import Api
from sandbox.errors import SandboxError
from sandbox.home import Home

_PATIENCE = 60.0
_LABEL = "app.kubernetes.io/part-of=llm-d-pd"
_PLUGIN = "pulumi-kubernetes"
"""Field manager of Pulumi's Kubernetes plugin."""


def stack_outputs(home: Home) -> dict[str, dict[str, Any]]:
    """Return the outputs of every deployed stack by its name."""
    return {
        file.stem: resource["outputs"]
        for file in sorted(_stacks(home, "*"))
        for resource in _latest(file).get("resources") or []
        if resource["type"] == "pulumi:pulumi:Stack" and resource.get("outputs")
    }


def _stacks(home: Home, stack: str) -> Iterator[Path]:
    return (home.state / "backend" / ".pulumi" / "stacks").glob(f"*/{stack}.json")


def stale_locks(home: Home, stack: str) -> list[Path]:
    """Return the file backend's locks on a stack. They are stale if no engine runs in the sandbox."""
    return list((home.state / "backend" / ".pulumi" / "locks").glob(f"**/{stack}/*.json"))


def engine_runs(home: Home) -> bool:
    """Whether a `pulumi` of this sandbox runs, in this terminal or another."""
    variable = f"PULUMI_HOME={home.state / 'pulumi'}".encode()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "comm").read_text() == "pulumi\n" and variable in (process / "environ").read_bytes():
                return True
        except OSError:
            continue
    return False


def has_pending(home: Home, stack: str) -> bool:
    """Whether the stack's state records operations that never ended."""
    return any(_latest(file).get("pending_operations") for file in _stacks(home, stack))


def ended_well(home: Home, stack: str) -> bool:
    """Whether the last command that changed the stack or its state succeeded."""
    ended = sorted((home.state / "backend" / ".pulumi" / "history").glob(f"*/{stack}/*.history.json"))
    return not ended or bool(json.loads(ended[-1].read_text())["result"] == "succeeded")


def unrecorded(home: Home, api: Api) -> list[str]:
    """Return the paths of the program's objects that Pulumi made and that are in no stack's state of this sandbox."""
    recorded = {
        (resource["inputs"]["kind"], resource["id"])
        for state in _stacks(home, "*")
        for resource in _latest(state).get("resources") or []
        if "kind" in resource.get("inputs", {})
    }
    return [path for kind, identity, path in _made_by_pulumi(api) if (kind, identity) not in recorded]


def delete_object(api: Api, path: str) -> None:
    """Delete an object and wait until it is gone."""
    deadline = time.monotonic() + _PATIENCE
    if api.find(path):
        api.delete(path)
    while time.monotonic() < deadline:
        if api.find(path) is None:
            return
        time.sleep(0.1)
    raise SandboxError(f"{path} is being deleted for {_PATIENCE:.0f} s already: try again when it is gone")


def _made_by_pulumi(api: Api) -> Iterator[tuple[str, str, str]]:
    """Yield kind, Pulumi's ID and path of each object that the plugin wrote."""
    for root in (
        "/api/v1",
        *(f"/apis/{each['preferredVersion']['groupVersion']}" for each in api.get("/apis")["groups"]),
    ):
        for kind in api.get(root)["resources"]:
            if "/" in kind["name"] or "delete" not in kind["verbs"] or "list" not in kind["verbs"]:
                continue
            for one in api.get(f"{root}/{kind['name']}", labelSelector=_LABEL)["items"]:
                metadata = one["metadata"]
                written = metadata.get("managedFields") or []
                if any(each["manager"] == _PLUGIN and not each.get("subresource") for each in written):
                    place, name = metadata.get("namespace"), metadata["name"]
                    within = f"{root}/namespaces/{place}" if place else root
                    yield kind["kind"], f"{place}/{name}" if place else name, f"{within}/{kind['name']}/{name}"


def _latest(state: Path) -> dict[str, Any]:
    return json.loads(state.read_text()).get("checkpoint", {}).get("latest") or {}
