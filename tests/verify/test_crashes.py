"""Reasons why vLLM ended. The logs are shortened logs of vLLM 0.17.1 with real NIXL."""

from typing import Any

import pytest

from verify.crashes import cause, explain, read
from verify.finding import Outcome, Unreachable, failed
from verify.outputs import Workload
from verify.tiers import Tier, judged

DEAD = "vllm.v1.engine.exceptions.EngineDeadError: EngineCore encountered an issue. See stack trace (above).\n"
HANDSHAKE = (
    "(EngineCore pid=77) ERROR 11-28 15:30:09 [nixl_connector.py:1610] NIXL transfer failure: handshake_failed\n"
    '  File "nixl_connector.py", line 1970, in get_finished\n'
    "    block_size_ratio = self.kv_topo.block_size_ratio_from_engine_id(remote)\n"
)
NO_ENGINE = "KeyError: '0d3c9f0e-51f5-4ed0-8d4f-8ef2a9a6cc3b'\n"
REFUSED = (
    "(APIServer pid=7) pydantic_core._pydantic_core.ValidationError: 1 validation error for KVTransferConfig\n"
    "  Value error, Please specify kv_role when kv_connector is set, supported roles are ['kv_producer']\n"
    "(APIServer pid=7) RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}\n"
)
COUNTER = "ValueError: Counters can only be incremented by non-negative amounts.\nAsyncLLM output_handler failed.\n"
FAILED = failed("request", "HTTP 500", "it fails", "look")


@pytest.mark.parametrize(
    ("log", "evidence", "remedy"),
    [
        (HANDSHAKE + NO_ENGINE + DEAD, "NIXL handshake failed", "serving.ports.nixl"),
        (HANDSHAKE.splitlines()[1] + "\n" + NO_ENGINE + DEAD, "NIXL handshake failed", "serving.ports.nixl"),
        ("RuntimeError: NIXL compatibility hash mismatch. Local: a1, remote: b2\n" + HANDSHAKE + NO_ENGINE + DEAD,
         "NIXL compatibility hash mismatch", "both tiers need the same vLLM"),
        ("AssertionError: Local block size 64 is not divisible by remote block size 128.\n" + HANDSHAKE + NO_ENGINE,
         "block sizes differ", "serving.model.blockSize"),
        (COUNTER + DEAD, "Counters can only be incremented", "prefill workers"),
        ("(EngineCore pid=9) ERROR 11-29 04:00:00 [core.py:1] nixlBackendError: NIXL_ERR_BACKEND\n" + DEAD,
         "NIXL found no transport", "serving.ucx.tls"),
        (DEAD, "EngineDeadError", "kubectl logs --previous"),
        (REFUSED + DEAD, "ValidationError: 1 validation error for KVTransferConfig Value error, Please", "--previous"),
        ("vllm serve: error: argument --dtype: invalid choice: 'int'\n", "argument --dtype", "--previous"),
    ],
)  # fmt: skip
def test_a_known_cause_is_found_in_the_log_of_an_ended_vllm(log: str, evidence: str, remedy: str) -> None:
    found = cause("INFO: Started server process\n" + log)

    assert found
    assert evidence in found.evidence
    assert remedy in found.remedy


def test_other_logs_have_no_cause() -> None:
    assert cause("INFO: Shutting down\nWARNING: no error\n") is None


def pod(name: str, restarts: int, *, ready: bool = True) -> dict[str, Any]:
    statuses = [{"name": "routing-proxy", "restartCount": 0}, {"name": "vllm", "restartCount": restarts}]
    conditions = [{"type": "Ready", "status": str(ready)}]
    container = {"name": "vllm", "resources": {"limits": {"amd.com/gpu": "4"}}}
    status = {"containerStatuses": statuses, "conditions": conditions}
    return {"metadata": {"name": name}, "spec": {"containers": [container]}, "status": status}


class Logs:
    """Logs of the previous containers, and with `present` of the running ones; other logs do not exist."""

    def __init__(self, present: dict[str, str] | None = None, **previous: str) -> None:
        self._previous = {name.replace("_", "-"): text for name, text in previous.items()}
        self._present = present or {}

    def log(self, namespace: str, pod: str, container: str, **query: str) -> str:
        assert (namespace, container) == ("llm-d-pd", "vllm")
        logs = self._previous if query["previous"] == "true" else self._present
        if pod not in logs:
            raise Unreachable("previous terminated container not found", "")
        return logs[pod]


def test_only_previous_logs_of_restarted_workers_are_read() -> None:
    pods = [pod("d-0", 0), pod("d-1", 2), pod("d-2", 1)]
    logs: Any = Logs(d_0=DEAD, d_1=COUNTER + DEAD)

    found = read(logs, "llm-d-pd", "vllm", pods)
    assert list(found) == ["d-1"]
    assert found["d-1"].evidence == "Counters can only be incremented by non-negative amounts"


def test_the_step_names_the_cause_of_a_restart() -> None:
    why = cause(HANDSHAKE + NO_ENGINE + DEAD)
    assert why

    restarted = Tier("decode", Workload("ms-decode", 1, 4, rdma=True), [pod("d-1", 1)], 1)
    found = judged(restarted, {"d-1": why})
    assert found.outcome is Outcome.WARNING
    assert "restarts: d-1 1" in found.evidence
    assert "vLLM of d-1 ended: NIXL handshake failed" in found.evidence
    assert "serving.ports.nixl" in found.remedy

    looping = Tier("decode", Workload("ms-decode", 1, 4, rdma=True), [pod("d-1", 5, ready=False)], 1)
    found = judged(looping, {"d-1": why})
    assert found.outcome is Outcome.FAILED
    assert "vLLM 0.32 fails the request only" in found.meaning
    assert "kubectl logs --previous" in judged(restarted, {}).remedy


@pytest.mark.parametrize(
    "logs", [Logs({"d-0": "INFO\n", "d-1": HANDSHAKE + NO_ENGINE}), Logs({"d-0": "INFO\n"}, d_1=HANDSHAKE + NO_ENGINE)]
)
def test_a_failed_request_names_what_a_worker_logs(logs: Any) -> None:
    finding = explain(logs, "llm-d-pd", "vllm", [pod("d-0", 0), pod("d-1", 0)], FAILED)
    assert finding.evidence == "HTTP 500; vLLM of d-1 logs: NIXL handshake failed"
    assert "serving.ports.nixl" in finding.remedy


def test_an_unknown_error_does_not_explain_a_failed_request() -> None:
    logs: Any = Logs({"d-0": "ValueError: a client's bad request\n"})
    assert explain(logs, "llm-d-pd", "vllm", [pod("d-0", 0)], FAILED) == FAILED
