"""`python -m sandbox.pods <plan.json>`: the pod runner, started by the keeper inside a sandbox."""

import asyncio
import json
import os
import ssl
import sys
from pathlib import Path
from typing import Any

import yaml

from sandbox.cluster import namespaces
from sandbox.cluster.api import ApiError, connect
from sandbox.errors import SandboxError
from sandbox.pods import network
from sandbox.pods.launcher import Launcher
from sandbox.pods.runner import Runner
from sandbox.pods.runtime import Runtime
from sandbox.pods.volumes import Tokens


async def _run(plan: dict[str, Any]) -> None:
    root = Path(plan["root"])
    volumes = root / "pods"
    volumes.mkdir(exist_ok=True)
    # A private tmpfs: secrets reach no disk, and the kernel removes it with this process.
    namespaces.unshare(namespaces.NEW_MOUNTS)
    namespaces.make_private()
    namespaces.mount("tmpfs", str(volumes), "mode=700")
    network.settle()
    with connect(Path(plan["kubeconfig"])) as api:
        runtime = Runtime(
            api=api,
            launcher=Launcher(gone=lambda: os._exit(1)),  # no process runs any more; the keeper starts the runner again
            tokens=Tokens(api),
            tools=plan["tools"],
            simulator=plan.get("simulator", []),
            root=root,
            volumes=volumes,
            claims=root / "claims",
            logs=root / "logs" / "pods",
        )
        await Runner(runtime, _certificates(Path(plan["kubeconfig"]))).run()


def _certificates(kubeconfig: Path) -> ssl.SSLContext:
    """Return the control plane's certificates for kubelets."""
    (user,) = yaml.load(kubeconfig.read_text(), Loader=yaml.CSafeLoader)["users"]
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(user["user"]["client-certificate"], user["user"]["client-key"])
    return context


def main() -> None:
    """Run until killed; exit with a message if the API server is gone."""
    plan = json.loads(Path(sys.argv[1]).read_text())
    try:
        asyncio.run(_run(plan))
    except (SandboxError, ApiError) as error:
        sys.exit(f"pod runner: {error}")


if __name__ == "__main__":
    main()
