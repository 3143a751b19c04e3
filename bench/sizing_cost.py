"""CPU time that sizing adds to a preview: import and evaluation, without `serving.gpu`, with it, and with a load.

Part of `make bench`. Each number is the least of several processes, because other work of the machine only adds to it.
"""

import subprocess
import sys

from sandbox.home import CHECKOUT

RUNS = 7
LIMITS = {"without serving.gpu": 10.0, "with serving.gpu": 30.0, "with serving.load": 30.0}
"""Milliseconds."""

BASE = "model__name='RedHatAI/Llama-3.3-70B-Instruct-FP8-dynamic', accelerator='nvidia', rdma={'resource': 'rdma/ib'}"
SETTINGS = {
    "with serving.gpu": f"{BASE}, gpu='H200'",
    "with serving.load": f"{BASE}, gpu='H200', load={{'inputTokens': 4000, 'outputTokens': 500, 'concurrency': 99}}",
}
MEASURE = """
import gc, time
gc.disable()  # as the program
{before}
start = time.process_time()
{measured}
print((time.process_time() - start) * 1000)
"""
PLAN = "check(chosen, token_given=True); resolve(chosen)"


def main() -> int:
    """Print the table; return 1 if a time is over its limit."""
    over = 0
    print(f"{'least of ' + str(RUNS):<26}{'ms':>8}{'limit':>8}")
    for what, limit in LIMITS.items():
        milliseconds = min(_run(what) for _ in range(RUNS))
        over |= milliseconds > limit
        print(f"{what:<26}{milliseconds:>8.1f}{limit:>8.0f}")
    return int(over)


def _run(what: str) -> float:
    if what not in SETTINGS:  # all of sizing that a preview imports then
        return _process("import components.config.settings", "import sizing.card")
    before = [
        "from components.plan import check, resolve",
        "from tests.stack_file import settings",
        f"chosen = settings({BASE})",
        PLAN,  # everything but sizing is imported and computed once
        f"chosen = settings({SETTINGS[what]})",
    ]
    return _process("\n".join(before), PLAN) - _process("\n".join([*before[:4], before[2]]), PLAN)


def _process(before: str, measured: str) -> float:
    program = MEASURE.format(before=before, measured=measured)
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True)
    return float(done.stdout)


if __name__ == "__main__":
    sys.exit(main())
