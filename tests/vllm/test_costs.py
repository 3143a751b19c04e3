"""Savings for a small machine: an idle engine waits, and a start does not inspect the model's class."""

from pathlib import Path

import pytest

from tests.vllm.pair import PORTS, Pair, until

pytestmark = pytest.mark.vllm
POLL, TENTH = "7", "0x64"
"""The number of the system call, and 100 ms."""


def polls(process: int) -> bool:
    """Whether a thread of the process waits in poll(2) for the time that the table of substitutions gives NIXL."""
    calls = [file.read_text().split() for file in Path(f"/proc/{process}/task").glob("*/syscall")]
    return any(call[0] == POLL and call[3] == TENTH for call in calls)


@pytest.mark.parametrize("role", PORTS)
def test_an_idle_engine_waits_for_events(pair: Pair, role: str) -> None:
    [engine] = pair.engines(role)
    until(lambda: polls(engine), f"NIXL's progress thread of {role} waits")


@pytest.mark.parametrize("role", PORTS)
def test_vllms_cache_of_the_model_exists(pair: Pair, role: str) -> None:
    """If it did not, vLLM would try to write it, into a folder of another user."""
    log = pair.api.text(f"{pair.pod(role).path}/log", container="vllm")
    assert "Application startup complete" in log
    assert "Error saving model info cache" not in log
