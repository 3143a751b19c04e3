"""`python -m sandbox.network <plan.json>`: run the network of a sandbox until it is ended."""

import asyncio
import json
import os
import sys
from pathlib import Path

from sandbox.cluster.api import ApiError, connect
from sandbox.errors import SandboxError
from sandbox.network.loop import Loop, Plan


async def _run(plan: Plan) -> None:
    with connect(plan.kubeconfig) as api:
        await Loop(api, plan).run()


def main() -> None:
    """Read the plan and work."""
    plan = Plan.of(json.loads(Path(sys.argv[1]).read_text()))
    try:
        asyncio.run(_run(plan))
    except (SandboxError, ApiError, OSError) as error:
        print(f"the sandbox's network ended: {error}", flush=True)
        os._exit(1)  # threads still wait for news; the keeper starts it again


if __name__ == "__main__":
    main()
