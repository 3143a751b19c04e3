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

RUNS = 3
LIMIT = 12.0
"""Seconds."""
SENT, ARRIVED = "POST ", "64 tokens: "
"""Beginnings of the lines that `make up` prints before and after the answer."""


def main() -> int:
    """Write the section; return 1 if the median is over the limit."""
    home, progress, times = Home.of(CHECKOUT, "bench"), Progress(), list[dict[str, float]]()
    try:
        for number in range(1, RUNS + 1):
            lifecycle.throw_away(home, progress)
            with progress.step(f"make up, {number} of {RUNS}"):
                times.append(_make_up(home))
    finally:
        lifecycle.throw_away(home, progress)
    sent, arrived = (statistics.median(each[line] for each in times) for line in (SENT, ARRIVED))
    rows = [("the stack is Ready", f"{sent:.1f}", ""), ("the answer has arrived", f"{arrived:.1f}", f"{LIMIT:.0f}")]
    page.write("first run", [("`make up STACK=amd`", "seconds", "limit"), *rows], f"Medians of {RUNS}.")
    return int(arrived > LIMIT)


def _make_up(home: Home) -> dict[str, float]:
    begun, lines, seen = time.monotonic(), list[str](), dict[str, float]()
    environment = {**os.environ, "SANDBOX": home.name, "PYTHONUNBUFFERED": "1"}
    command = ["make", "up", "STACK=amd"]
    with subprocess.Popen(
        command, cwd=CHECKOUT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as run:
        for line in run.stdout or ():
            lines.append(line)
            seen |= {start: time.monotonic() - begun for start in (SENT, ARRIVED) if line.startswith(start)}
    if run.returncode or len(seen) < 2:
        sys.exit(f"{' '.join(command)} failed:\n{''.join(lines)}")
    return seen


if __name__ == "__main__":
    sys.exit(main())
