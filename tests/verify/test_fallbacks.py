"""Silent fallbacks, found in logs."""

from typing import Any

from verify.fallbacks import sidecar_said, transport_said
from verify.finding import Outcome
from verify.ucx import Transports

RDMA, TCP = frozenset({"rc_mlx5/mlx5_0:1"}), frozenset({"tcp/eth0"})
NONE: frozenset[str] = frozenset()
NOT_IMPORTANT = '{"level":"info","ts":"2026-11-22T05:00:00Z","logger":"proxy","msg":"starting"}'
FELL_BACK = '{"level":"info","ts":"2026-11-22T05:00:01Z","logger":"proxy","msg":"fallback to decode","request_id":"1"}'


def decode(tls: str | None = None, **limits: str) -> dict[str, Any]:
    env = [{"name": "UCX_TLS", "value": tls}] if tls else []
    container = {"name": "vllm", "env": env, "resources": {"limits": {"amd.com/gpu": "4", "cpu": "16", **limits}}}
    return {"metadata": {"name": "decode-1"}, "spec": {"containers": [container]}, "status": {}}


def test_a_sidecar_that_fell_back_is_a_warning() -> None:
    found = sidecar_said([NOT_IMPORTANT, FELL_BACK, FELL_BACK, NOT_IMPORTANT])

    assert found.outcome is Outcome.WARNING
    assert found.evidence.startswith("2 requests fell back to decode only; the last: ")
    assert "05:00:01" in found.evidence


CANCELLED = '{"level":"error","ts":"2026-11-28T15:20:01Z","msg":"http: proxy error","error":"context canceled"}'
REFUSED = CANCELLED.replace("context canceled", "dial tcp 10.0.0.2:8000: connect: connection refused")
FAILED = '{"level":"error","ts":"2026-11-28T15:20:01Z","logger":"proxy","msg":"request failed","code":502}'


def test_a_client_that_hangs_up_is_no_failed_prefill_worker() -> None:
    assert sidecar_said([NOT_IMPORTANT, CANCELLED, FAILED, FELL_BACK]).outcome is Outcome.OK


def test_a_prefill_worker_that_fails_after_a_client_hung_up_is_reported() -> None:
    for failure in ([REFUSED, FAILED], [FAILED.replace("502", "500")]):
        found = sidecar_said([CANCELLED, FAILED, FELL_BACK, CANCELLED, *failure, FELL_BACK])
        assert found.outcome is Outcome.WARNING
        assert found.evidence.startswith("1 requests fell back")
    assert sidecar_said([CANCELLED, FAILED, FELL_BACK, FELL_BACK]).outcome is Outcome.WARNING


def test_a_sidecar_without_fallback_is_ok() -> None:
    assert sidecar_said([NOT_IMPORTANT]).outcome is Outcome.OK


def test_tcp_despite_an_rdma_device_is_a_silent_fallback() -> None:
    found = transport_said(Transports(NONE, TCP, NONE), [decode(**{"rdma/ib": "1"})], rdma=True)

    assert found.outcome is Outcome.FAILED
    assert found.evidence == "tcp/eth0, though the pods request rdma/ib"
    assert "serving.ucx.ibGidIndex" in found.remedy


def test_tcp_with_rdma_but_no_device_is_a_silent_fallback() -> None:
    """Examples: host network, or networks that the infrastructure attaches."""
    found = transport_said(Transports(NONE, TCP, NONE), [decode()], rdma=True)

    assert found.outcome is Outcome.FAILED
    assert found.evidence == "tcp/eth0, though the stack gives RDMA to the pods"


def test_tcp_despite_rdma_in_ucx_tls_is_a_silent_fallback() -> None:
    assert (
        transport_said(Transports(NONE, TCP, NONE), [decode("self,sm,rocm,rc,tcp")], rdma=False).outcome
        is Outcome.FAILED
    )


def test_some_transfers_by_tcp_are_a_warning() -> None:
    assert transport_said(Transports(RDMA, TCP, NONE), [decode("rc,tcp")], rdma=True).outcome is Outcome.WARNING


def test_wanted_tcp_is_ok() -> None:
    assert transport_said(Transports(NONE, TCP, NONE), [decode("tcp,self,sm,rocm")], rdma=False).outcome is Outcome.OK


def test_rdma_is_ok() -> None:
    assert transport_said(Transports(RDMA, NONE, NONE), [decode(**{"rdma/ib": "1"})], rdma=True).outcome is Outcome.OK


def test_logs_without_transports_prove_nothing_and_name_the_setting() -> None:
    found = transport_said(Transports(NONE, NONE, NONE), [decode()], rdma=True)

    assert found.outcome is Outcome.UNSEEN
    assert "serving.ucx.protoInfo: true" in found.remedy
