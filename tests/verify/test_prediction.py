"""What sizing predicted against what vLLM says at its start."""

from typing import Any

import pytest

from tests.verify.fake import NAMESPACE, FakeCluster, pod
from verify.finding import Outcome
from verify.outputs import Workload
from verify.prediction import compared, judge, said
from verify.tiers import Tier

LOG = """(Worker_TP0 pid=12) INFO [gpu_model_runner.py:4216] Model loading took 17.31 GiB memory and 41.2 seconds
(Worker_TP1 pid=13) INFO [gpu_worker.py:360] Available KV cache memory: 152.40 GiB
(Worker_TP0 pid=12) INFO [gpu_worker.py:360] Available KV cache memory: 152.10 GiB
(EngineCore pid=9) INFO [kv_cache_utils.py:1307] GPU KV cache size: 1,993,600 tokens
(EngineCore pid=9) INFO [kv_cache_utils.py:1312] Maximum concurrency for 32,000 tokens per request: 62.30x
"""
ROW: dict[str, Any] = {
    "tier": "decode",
    "weightsGiB": 17.3,
    "cacheGiB": 152.3,
    "cacheGiBRange": [149.9, 154.2],
    "cacheTokens": 1996672,
    "sequences": 62.4,
}


def test_a_prediction_within_its_range_is_fine() -> None:
    assert said(LOG) == {"weights": 17.31, "pool": 152.1, "tokens": 1993600, "sequences": 62.3}
    tier = Tier("decode", Workload("d", 1, 4, rdma=True), [pod("a", ready=True, state={})], 1)
    found = judge(FakeCluster({}, {"a/vllm": LOG}), NAMESPACE, tier, ROW)
    assert found.outcome is Outcome.OK
    assert "1993600 tokens (-0.2%); 62.4 sequences predicted, 62.3 real" in found.evidence


def test_a_wrong_prediction_is_printed_with_its_correction() -> None:
    real = {"weights": 18.3, "pool": 140.3, "tokens": 1838000.0}
    found = compared("sizing decode", real, ROW)
    assert found.outcome is Outcome.WARNING
    assert found.meaning == (
        "sizing is off by -12.0 GiB per GPU: weights take 18.3 GiB and 17.3 were predicted (+1.0), activations, the "
        "runtime and graphs +11.0"
    )
    assert compared("sizing decode", {**real, "pool": 160.0}, ROW).outcome is Outcome.WARNING


@pytest.mark.parametrize("log", ["", "INFO Model loading took 17.31 GiB memory"])
def test_a_log_without_sizes_proves_nothing(log: str) -> None:
    assert compared("sizing decode", said(log), ROW).outcome is Outcome.UNSEEN
