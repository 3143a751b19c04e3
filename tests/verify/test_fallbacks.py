"""Silent fallbacks, found in logs."""

from typing import Any

import pytest

from verify.fallbacks import sidecar_said, transport_said
from verify.finding import Outcome
from verify.ucx import Transports

RDMA, TCP = frozenset({"rc_mlx5/mlx5_0:1"}), frozenset({"tcp/eth0"})
NONE: frozenset[str] = frozenset()
NOT_IMPORTANT = '{"level":"info","ts":"2026-11-22T05:00:00Z","logger":"proxy","msg":"starting"}'
FELL_BACK = '{"level":"info","ts":"2026-11-22T05:00:01Z","logger":"proxy","msg":"fallback to decode","request_id":"1"}'
CANCELLED = '{"level":"error","ts":"2026-11-28T15:20:01Z","msg":"http: proxy error","error":"context canceled"}'
REFUSED = CANCELLED.replace("context canceled", "dial tcp 10.0.0.2:8000: connect: connection refused")
FAILED = '{"level":"error","ts":"2026-11-28T15:20:01Z","logger":"proxy","msg":"request failed","code":502}'
HUNG_UP = [CANCELLED, FAILED, FELL_BACK]


@pytest.mark.parametrize(
    ("log", "outcome", "evidence"),
    [
        ([NOT_IMPORTANT], Outcome.OK, ""),
        (
            [NOT_IMPORTANT, FELL_BACK, FELL_BACK, NOT_IMPORTANT],
            Outcome.WARNING,
            "2 requests fell back to decode only; ",
        ),
        ([NOT_IMPORTANT, *HUNG_UP], Outcome.OK, ""),
        ([*HUNG_UP, CANCELLED, REFUSED, FAILED, FELL_BACK], Outcome.WARNING, "1 requests fell back"),
        ([*HUNG_UP, CANCELLED, FAILED.replace("502", "500"), FELL_BACK], Outcome.WARNING, "1 requests fell back"),
        ([*HUNG_UP, FELL_BACK], Outcome.WARNING, ""),
    ],
)
def test_a_client_that_hangs_up_is_no_failed_prefill_worker(log: list[str], outcome: Outcome, evidence: str) -> None:
    found = sidecar_said(log)
    assert (found.outcome, found.evidence.startswith(evidence)) == (outcome, True), found
    assert ("05:00:01" in found.evidence) == (outcome is Outcome.WARNING)


DEVICE = {"rdma/ib": "1"}


@pytest.mark.parametrize(
    ("transports", "tls", "limits", "rdma", "outcome"),
    [
        (Transports(NONE, TCP, NONE), None, DEVICE, True, Outcome.FAILED),
        (Transports(NONE, TCP, NONE), None, {}, True, Outcome.FAILED),  # host network, or attached networks
        (Transports(NONE, TCP, NONE), "self,sm,rocm,rc,tcp", {}, False, Outcome.FAILED),
        (Transports(RDMA, TCP, NONE), "rc,tcp", {}, True, Outcome.WARNING),
        (Transports(NONE, TCP, NONE), "tcp,self,sm,rocm", {}, False, Outcome.OK),
        (Transports(RDMA, NONE, NONE), None, DEVICE, True, Outcome.OK),
        (Transports(NONE, NONE, NONE), None, {}, True, Outcome.UNSEEN),
    ],
)
def test_tcp_where_rdma_is_meant_is_a_silent_fallback(
    transports: Transports, tls: str | None, limits: dict[str, str], rdma: bool, outcome: Outcome
) -> None:
    env = [{"name": "UCX_TLS", "value": tls}] if tls else []
    container = {"name": "vllm", "env": env, "resources": {"limits": {"amd.com/gpu": "4", "cpu": "16", **limits}}}
    pod: dict[str, Any] = {"metadata": {"name": "decode-1"}, "spec": {"containers": [container]}, "status": {}}
    found = transport_said(transports, [pod], rdma=rdma)
    assert found.outcome is outcome
    if outcome is Outcome.FAILED and rdma:
        why = "the pods request rdma/ib" if limits else "the stack gives RDMA to the pods"
        assert found.evidence == f"tcp/eth0, though {why}"
        assert "serving.ucx.ibGidIndex" in found.remedy
    if outcome is Outcome.UNSEEN:
        assert "serving.ucx.protoInfo: true" in found.remedy
