"""What a killed `pulumi` leaves in the way of the next one: its lock, and objects whose creation it never recorded."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sandbox.cluster.api import Api, ApiError
from sandbox.errors import SandboxError
from sandbox.home import Home

_PATIENCE = 60.0


def stale_locks(home: Home, stack: str) -> list[Path]:
    """Return the file backend's locks on a stack. They are stale if no engine runs in the sandbox."""
    return list((home.state / "backend" / ".pulumi" / "locks").glob(f"**/{stack}/*.json"))


def engine_runs(home: Home) -> bool:
    """Whether any `pulumi` of this sandbox is at work, in this terminal or another."""
    ours = f"PULUMI_HOME={home.state / 'pulumi'}".encode()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "comm").read_text() == "pulumi\n" and ours in (process / "environ").read_bytes():
                return True
        except OSError:
            continue
    return False


def cut_short(home: Home, stack: str) -> list[dict[str, Any]]:
    """Return the Kubernetes objects whose creation was under way when the engine ended, as it meant to create them."""
    return [
        operation["resource"]["inputs"]
        for state in (home.state / "backend" / ".pulumi" / "stacks").glob(f"*/{stack}.json")
        for operation in _pending(state)
        if operation["type"] == "creating" and operation["resource"]["type"].startswith("kubernetes:")
    ]


def has_pending(home: Home, stack: str) -> bool:
    """Whether the stack's state records operations that never ended."""
    files = (home.state / "backend" / ".pulumi" / "stacks").glob(f"*/{stack}.json")
    return any(True for file in files for _ in _pending(file))


def delete(api: Api, wanted: dict[str, Any]) -> bool:
    """Delete an object that a cut-short creation may have made, wait until it is gone; return whether there was one."""
    try:
        path = _path(api, wanted)
        api.delete(path)
    except (ApiError, StopIteration, KeyError):  # no such kind, name or object: nothing was made
        return False
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        try:
            api.get(path)
        except ApiError:
            return True
        time.sleep(0.1)
    raise SandboxError(f"{path} is being deleted for {_PATIENCE:.0f} s already: try again when it is gone")


def _path(api: Api, wanted: dict[str, Any]) -> str:
    group, metadata = wanted["apiVersion"], wanted["metadata"]
    root = f"/apis/{group}" if "/" in group else f"/api/{group}"
    resources = api.get(root)["resources"]
    kind = next(one for one in resources if one["kind"] == wanted["kind"] and "/" not in one["name"])
    within = f"/namespaces/{metadata.get('namespace', 'default')}" if kind["namespaced"] else ""
    return f"{root}{within}/{kind['name']}/{metadata['name']}"


def _pending(state: Path) -> Iterator[dict[str, Any]]:
    latest = json.loads(state.read_text()).get("checkpoint", {}).get("latest") or {}
    yield from latest.get("pending_operations") or []
