"""The watch beside the program: what it starts for, and the one signal that it sends."""

import os
import signal
from typing import Any

import pulumi
import pytest

from tests.recorder import run_program
from tests.verify.fake import FakeCluster
from verify import cluster, during_up, watch
from verify.waiting import Trouble
from verify.watch import Shown

DECLARED: list[Any] = [None]
SERVING = {"accelerator": "amd", "model": {"name": "amd/Llama-3.3-70B-Instruct-FP8-KV"}}


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[during_up._During]:
    """The watches that ran, which look at nothing."""
    found: list[during_up._During] = []

    def run(self: during_up._During) -> None:
        found.append(self)

    monkeypatch.setattr(during_up._During, "run", run)
    return found


@pytest.mark.parametrize("provider", ["istio", "standalone"])
def test_the_program_names_what_up_waits_for(
    monkeypatch: pytest.MonkeyPatch, ran: list[during_up._During], provider: str
) -> None:
    noted: set[str] = set()
    note = during_up._During.note

    def keep(self: during_up._During, declared: Any) -> None:
        note(self, declared)
        noted.update(self.pending)

    monkeypatch.setattr(during_up._During, "note", keep)
    run_program({**SERVING, "gateway": {"provider": provider}})
    assert noted == {
        "gaie-pd-epp",
        "ms-pd-llm-d-modelservice-prefill",
        "ms-pd-llm-d-modelservice-decode",
        "infra-pd-inference-gateway",
    }
    [during] = ran
    assert not during.pending, "all of them are there"


@pytest.mark.parametrize(("preview", "waiting", "count"), [(False, "end", 1), (True, "end", 0), (False, "off", 0)])
def test_only_an_up_is_watched(ran: list[during_up._During], preview: bool, waiting: str, count: int) -> None:
    run_program({**SERVING, "waiting": waiting}, preview=preview)
    assert len(ran) == count


def shown(*, ends: bool) -> Shown:
    return Shown(Trouble("p", "prefill", "k", "p-1", "vllm ended 3 times", "serving.prefill.extraArgs"), (), ends)


@pytest.mark.parametrize(
    ("end", "cli", "interrupts"), [(True, 77, [(77, signal.SIGINT)]), (False, 77, []), (True, None, [])]
)
def test_what_cannot_heal_interrupts_the_cli_once(
    monkeypatch: pytest.MonkeyPatch, end: bool, cli: int | None, interrupts: list[tuple[int, int]]
) -> None:
    sent: list[tuple[int, int]] = []
    screen: list[str] = []
    looks = iter([[shown(ends=False)], [shown(ends=True)], [shown(ends=True)], []])
    pending = {"p"}

    def look(self: object) -> list[Shown]:
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
    during = during_up._During("serving", None, end=end)
    during.pending, during.tasks = pending, DECLARED
    during.run()
    assert sent == interrupts
    assert any("prefill waits: p-1: vllm ended 3 times" in line for line in screen)
    assert any("the wait is ended as with Ctrl-C" in line for line in screen) == bool(interrupts)


def test_nothing_is_asked_where_nothing_is_awaited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(during_up, "PATIENCE", 0.0)
    monkeypatch.setattr(cluster.Cluster, "connect", lambda context: pytest.fail("it connects"))
    during = during_up._During("serving", None, end=True)
    during.tasks = DECLARED
    during.run()
