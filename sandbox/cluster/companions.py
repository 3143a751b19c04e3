"""The processes beside the control plane: the pod runner and the network, kept running by the keeper."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from sandbox.cluster.namespaces import die_with_parent

_CHECKOUT = Path(__file__).resolve().parents[2]
_PAUSE_SECONDS = 1.0
"""Before an ended companion is started again."""
SIMULATOR = "SANDBOX_SIMULATOR"
"""Arguments for every model server simulator, such as `--inter-token-latency=20ms`, read when a sandbox is started."""


def write_plan(
    root: Path, kubeconfig: Path, tools: Mapping[str, Path], listening: Mapping[int, int], *, isolated: bool
) -> Path:
    """Write what the companions of the sandbox in `root` have to know; `listening`: inherited socket → host port."""
    plan = {
        "root": str(root),
        "kubeconfig": str(kubeconfig),
        "tools": {name: str(path) for name, path in tools.items()},
        "isolated": isolated,
        "listening": [{"fd": fd, "port": port} for fd, port in listening.items()],
        "simulator": os.environ.get(SIMULATOR, "").split(),
    }
    file = kubeconfig.with_name("companions.json")
    file.write_text(json.dumps(plan))
    return file


class Companions:
    """Without namespaces only the network runs, which then writes simulated statuses and nothing else."""

    def __init__(self, plan: Path, logs: Path) -> None:
        self._plan, self._logs = plan, logs
        content = json.loads(plan.read_text())
        self._sockets = [one["fd"] for one in content["listening"]]
        self._names = ("pods", "network") if content["isolated"] else ("network",)
        self._running: dict[int, tuple[str, subprocess.Popen[bytes]]] = {}

    def start(self) -> None:
        """Start them all."""
        for name in self._names:
            self._start(name)

    def ended(self, pid: int) -> None:
        """Hear of an ended process; start it again if it was one of them."""
        if pid in self._running:
            name, process = self._running.pop(pid)
            process.returncode = 0  # the keeper has collected it already
            asyncio.get_running_loop().call_later(_PAUSE_SECONDS, self._start, name)

    def _start(self, name: str) -> None:
        with (self._logs / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", f"sandbox.{name}", str(self._plan)],
                cwd=_CHECKOUT,
                pass_fds=self._sockets,
                preexec_fn=die_with_parent,  # noqa: PLW1509  (the keeper has one thread)
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._running[process.pid] = (name, process)
