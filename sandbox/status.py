"""The state of a sandbox, written for a person."""

import json

from sandbox.cluster import record
from sandbox.cluster.api import connect
from sandbox.home import Home
from sandbox.progress import Progress
from sandbox.situation import Situation


def show(home: Home, report: Progress, *, outputs: bool = False) -> None:
    """Say which pods sit on which node with which GPUs, what waits and why, and the stacks' outputs if asked."""
    keeper = record.read(home.cluster)
    if keeper:
        report.say(
            f"\nSandbox {home.name!r}, API server https://127.0.0.1:{keeper.port} from outside ({home.host_kubeconfig})"
        )
    with connect(home.host_kubeconfig) as api:
        for line in Situation.now(api).lines():
            report.say(line)
    if outputs:
        for stack, values in _outputs(home).items():
            report.say(f"outputs of stack {stack}")
            for key, value in values.items():
                report.say(f"    {key}: {value if isinstance(value, str) else json.dumps(value)}")


def _outputs(home: Home) -> dict[str, dict[str, object]]:
    """Read every deployed stack's outputs from the file backend: no engine has to start for it."""
    found = {}
    for file in sorted((home.state / "backend" / ".pulumi" / "stacks").glob("*/*.json")):
        latest = json.loads(file.read_text()).get("checkpoint", {}).get("latest") or {}
        for resource in latest.get("resources") or []:
            if resource["type"] == "pulumi:pulumi:Stack" and resource.get("outputs"):
                found[file.stem] = resource["outputs"]
    return found
