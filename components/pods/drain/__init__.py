"""A worker that is replaced finishes what it has begun: a preStop hook, and the time for it."""

from pathlib import Path

from components.manifests import Fields
from components.plan.worker_args import ResolvedTier

HOOK = (Path(__file__).parent / "hook.py").read_text()
"""Text of the hook. The pod contains it, so that it needs no other object when it ends."""

HOLD = 20
"""Seconds for what vLLM does not count: the prefill of 32000 tokens takes one GPU 16 (70B, 2000 tokens a second), and
10 GB of KV cache travel 8 over 10 Gbit/s."""

STOP = 10
"""Seconds of the grace that are left to vLLM for ending, once it has nothing to do."""


def lifecycle(worker: ResolvedTier) -> Fields:
    """The hook of a worker; the routing sidecar, a native one, ends after vLLM and so needs none."""
    limit = max(worker.rollout.termination_grace - STOP, 0)
    numbers = [worker.port, limit, HOLD, *([worker.prefill_port] if worker.prefill_port else [])]
    # The images have vLLM on PATH, a Python program; -I and -S spare its packages and the user's PYTHONPATH.
    command = ["python3", "-I", "-S", "-c", HOOK, *map(str, numbers)]
    return {"preStop": {"exec": {"command": command}}}
