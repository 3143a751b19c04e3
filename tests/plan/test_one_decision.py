"""Host network and RDMA are decided in one place each: another decision there changes everything that depends on it."""

import json
from typing import Any

import pytest

from components.plan import check, context, fabric, resolve
from components.plan.mode import HOST_NETWORK, POD_NETWORK
from tests.recorder import Recorder, run_program
from tests.stack_file import problems, settings, stack_file

LOCKED = {"security__level": "locked", "rdma": {"resource": "rdma/ib"}}
HOST = {"hostNetwork": True}


def declared(**changes: Any) -> tuple[dict[str, Any], dict[str, Any], list[str]]:
    """Objects, outputs and warnings of the program."""
    recorder: Recorder = run_program({**stack_file(**changes), "preflight": "off"})
    warnings = [each for each in recorder.messages if each.startswith("warning: ")]
    return recorder.objects, recorder.stack_outputs, warnings


@pytest.fixture
def kubeconfig(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))


@pytest.mark.usefixtures("kubeconfig")
def test_nothing_but_the_mode_reads_the_setting_of_host_network(monkeypatch: pytest.MonkeyPatch) -> None:
    plain, host = declared(**LOCKED), declared(**LOCKED, **HOST)
    assert plain != host
    monkeypatch.setattr(context, "mode", lambda _: HOST_NETWORK)
    assert declared(**LOCKED) == host
    monkeypatch.setattr(context, "mode", lambda _: POD_NETWORK)
    assert declared(**LOCKED, **HOST) == plain


CONTRADICTING: dict[str, Any] = {
    "prefill__replicas": 2,
    "decode__rdma": {"resource": "rdma/ib"},
    "gpusPerNode": 6,
    "ports__serving": 10250,
    "infrastructure": "gke-roce",
}


def test_checks_ask_the_mode_too(monkeypatch: pytest.MonkeyPatch) -> None:
    host, plain = problems(**CONTRADICTING, **HOST), problems(**CONTRADICTING)
    assert {"serving.prefill.replicas", "serving.decode.rdma", "serving.ports.serving", "serving.hostNetwork"} <= {
        *host
    }
    monkeypatch.setattr(context, "mode", lambda _: HOST_NETWORK)
    assert problems(**CONTRADICTING) == host
    monkeypatch.setattr(context, "mode", lambda _: POD_NETWORK)
    assert problems(**CONTRADICTING, **HOST) == plain


def _what_rdma_decides(**changes: Any) -> tuple[bool, bool, bool]:
    """Whether the alert about slow transfers exists, RDMA-only transports are accepted, and the tiers say RDMA."""
    serving, found = settings(**changes), check(settings(**changes, ucx__tls="rc,rocm"), token_given=True)
    plan = resolve(serving)
    assert plan.monitoring is not None and plan.monitoring.alerts is not None
    rdma = plan.prefill.worker.rdma, plan.decode.worker.rdma
    assert rdma in ((True, True), (False, False))
    return plan.monitoring.alerts.slow_transfer is not None, not found, rdma[0]


@pytest.mark.parametrize("changes", [{}, {"rdma": {"resource": "rdma/ib"}}, {"hostNetwork": True}], ids=json.dumps)
def test_whether_there_is_rdma_is_asked_in_one_place(changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    assert _what_rdma_decides(**changes) == (bool(changes),) * 3
    for answer in (True, False):
        monkeypatch.setattr(fabric, "rdma", lambda *_, given=answer: given)
        assert _what_rdma_decides(**changes) == (answer,) * 3
