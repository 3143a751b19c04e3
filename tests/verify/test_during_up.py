"""The watch beside the program: what it starts for, and the one signal that it sends."""

import os
import signal
import threading
from typing import Any

import pulumi
import pytest

from tests.recorder import record, run_program
from tests.verify.fake import FakeCluster
from verify import cluster, during_up, watch
from verify.waiting import Trouble
from verify.watch import Told

SERVING = {"accelerator": "amd", "model": {"name": "amd/Llama-3.3-70B-Instruct-FP8-KV"}}


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """Calls of `start`, which starts nothing."""
    calls: list[tuple[Any, ...]] = []
    monkeypatch.setattr(during_up, "start", lambda *words: calls.append(words))
    return calls


def test_the_program_names_what_up_waits_for(started: list[tuple[Any, ...]]) -> None:
    run_program({**SERVING, "cluster": {"context": None}, "waiting": "explain"})
    [(namespace, _, awaited, waiting)] = started
    assert (namespace, waiting) == ("llm-d-pd", "explain")
    assert set(awaited) == {
        "gaie-pd-epp",
        "ms-pd-llm-d-modelservice-prefill",
        "ms-pd-llm-d-modelservice-decode",
        "infra-pd-inference-gateway",
    }


@pytest.mark.parametrize(("preview", "waiting", "threads"), [(False, "end", 1), (True, "end", 0), (False, "off", 0)])
def test_only_an_up_is_watched(monkeypatch: pytest.MonkeyPatch, preview: bool, waiting: str, threads: int) -> None:
    made: list[Any] = []
    monkeypatch.setattr(during_up, "PATIENCE", 0.0)
    monkeypatch.setattr(during_up._During, "run", lambda self: made.append(set(self._pending)))

    def declare() -> None:
        during_up.start("serving", None, {"prefill": pulumi.Output.from_input("id")}, waiting)

    before = threading.active_count()
    record(declare, preview=preview)
    for thread in threading.enumerate()[before:]:
        thread.join(5)
    assert len(made) == threads


def told(*, ends: bool) -> Told:
    return Told(Trouble("p", "prefill", "k", "p-1", "vllm ended 3 times", "serving.prefill.extraArgs"), (), ends)


@pytest.mark.parametrize(
    ("end", "cli", "interrupts"), [(True, 77, [(77, signal.SIGINT)]), (False, 77, []), (True, None, [])]
)
def test_what_cannot_heal_interrupts_the_cli_once(
    monkeypatch: pytest.MonkeyPatch, end: bool, cli: int | None, interrupts: list[tuple[int, int]]
) -> None:
    sent: list[tuple[int, int]] = []
    screen: list[str] = []
    looks = iter([[told(ends=False)], [told(ends=True)], [told(ends=True)], []])
    pending = {"p"}

    def look(self: object) -> list[Told]:
        found = next(looks)
        if not found:
            pending.clear()
        return found

    fake = FakeCluster({})
    monkeypatch.setattr(fake, "now", lambda: 1_700_000_000.0, raising=False)
    monkeypatch.setattr(cluster.Cluster, "connect", lambda context: fake)
    monkeypatch.setattr(watch.Watch, "look", look)
    monkeypatch.setattr(watch, "EVERY", 0.0)
    monkeypatch.setattr(during_up, "PATIENCE", 0.0)
    monkeypatch.setattr(during_up, "running_cli", lambda: cli)
    monkeypatch.setattr(os, "kill", lambda pid, number: sent.append((pid, number)))
    monkeypatch.setattr(pulumi, "warn", screen.append)
    monkeypatch.setattr(pulumi.log, "error", screen.append)
    during_up._During("serving", None, pending, end=end).run()
    assert sent == interrupts
    assert any("prefill waits: p-1: vllm ended 3 times" in line for line in screen)
    assert any("the wait is ended as with Ctrl-C" in line for line in screen) == bool(interrupts)


def test_nothing_is_asked_where_nothing_is_awaited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(during_up, "PATIENCE", 0.0)
    monkeypatch.setattr(cluster.Cluster, "connect", lambda context: pytest.fail("it connects"))
    during_up._During("serving", None, set(), end=True).run()
