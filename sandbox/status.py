"""The state of a sandbox, written for a person."""

import json

from sandbox import outputs as stack_outputs
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
        for stack, values in stack_outputs.read(home).items():
            report.say(f"outputs of stack {stack}")
            for key, value in values.items():
                report.say(f"    {key}: {value if isinstance(value, str) else json.dumps(value)}")
