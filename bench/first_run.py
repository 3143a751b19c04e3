"""Seconds of the first `make up STACK=amd` on a machine with all tools, from its start until the answer has arrived.

Part of `make bench`.
"""

import os
import statistics
import subprocess
import sys
import time

from bench import page
from sandbox.cluster import lifecycle
from sandbox.home import CHECKOUT, Home
from sandbox.progress import Progress

RUNS = 5
LIMIT = 12.0
"""Seconds."""
SENT = "POST "
"""Beginning of the line before the answer in the output of `make up`."""


def main() -> int:
    """Write the section; return 1 if every run is over the limit."""
    home, progress, times = Home.of(CHECKOUT, "bench"), Progress(), list[float]()
    try:
        for number in range(1, RUNS + 1):
            lifecycle.throw_away(home, progress)
            with progress.step(f"make up, {number} of {RUNS}"):
                times.append(_make_up(home))
    finally:
        lifecycle.throw_away(home, progress)
    row = (
        "`make up STACK=amd` until the answer",
        f"{statistics.median(times):.1f}",
        f"{min(times):.1f}",
        f"{LIMIT:.0f}",
    )
    page.write("first run", [("", "median, s", "least, s", "limit, s"), row], f"{RUNS} runs.")
    return int(min(times) > LIMIT)


def _make_up(home: Home) -> float:
    """Return the seconds until the answer was there."""
    begun, lines, sent, arrived = time.monotonic(), list[str](), False, 0.0
    environment = {**os.environ, "SANDBOX": home.name, "PYTHONUNBUFFERED": "1"}
    command = ["make", "up", "STACK=amd"]
    with subprocess.Popen(
        command, cwd=CHECKOUT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as run:
        for line in run.stdout or ():
            lines.append(line)
            if sent and line.strip():
                arrived = arrived or time.monotonic() - begun
            sent = sent or line.startswith(SENT)
    if run.returncode or not arrived:
        sys.exit(f"{' '.join(command)} failed:\n{''.join(lines)}")
    return arrived


if __name__ == "__main__":
    sys.exit(main())
