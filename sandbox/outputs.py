"""The outputs of the sandbox's stacks, read from Pulumi's file backend: no engine has to start for it."""

import json
from typing import Any

from sandbox.home import Home


def read(home: Home) -> dict[str, dict[str, Any]]:
    """Return the outputs of every deployed stack by its name."""
    found = {}
    for file in sorted((home.state / "backend" / ".pulumi" / "stacks").glob("*/*.json")):
        latest = json.loads(file.read_text()).get("checkpoint", {}).get("latest") or {}
        for resource in latest.get("resources") or []:
            if resource["type"] == "pulumi:pulumi:Stack" and resource.get("outputs"):
                found[file.stem] = resource["outputs"]
    return found
