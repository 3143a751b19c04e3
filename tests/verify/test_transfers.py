"""Findings about KV transfers, from typed counters of vLLM and typed shapes."""

from dataclasses import replace
from typing import Any

import pytest

from sizing import shape
from sizing.parts import Unknown
from tests.verify.test_traffic import GOOD, trial
from verify.finding import Outcome
from verify.metrics import Worker, worker
from verify.outputs import Workload
from verify.tiers import Tier
from verify.transfers import Model, flags_of, judge_sources, judge_transfer, model_of

LLAMA = {
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 256,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "num_hidden_layers": 4,
    "intermediate_size": 512,
    "vocab_size": 512,
    "head_dim": 32,
    "torch_dtype": "bfloat16",
}
"""The shape of which 717 tokens were 6 blocks of 262 144 bytes with real vLLM 0.17.1."""
REAL = 1_572_864.0


def test_kv_transfers_are_measured_from_nixls_metrics() -> None:
    idle = replace(worker(""), transfers=10.0, transferred=1e9, transfer_seconds=1.0, failures=4.0)
    busy = replace(idle, transfers=13.0, transferred=1.6e9, transfer_seconds=1.1)

    found = judge_transfer({"d": idle}, {"d": busy}, ["d"], [])
    assert found.outcome is Outcome.OK
    assert found.evidence == "3 transfers of 200.0 MB on average, 6.00 GB/s"
    assert judge_transfer({"d": idle}, {"d": idle}, ["d"], []).outcome is Outcome.WARNING
    assert judge_transfer({"d": idle}, {"d": replace(busy, failures=5.0)}, ["d"], []).outcome is Outcome.FAILED
    assert judge_transfer({"d": worker("")}, {"d": worker("")}, ["d"], []).outcome is Outcome.UNSEEN


def test_a_decode_tier_without_a_kv_connector_fails() -> None:
    counted = {"d": worker(""), "p": replace(worker(""), transfers=0.0)}
    found = judge_transfer(counted, counted, ["d"], ["p"])
    assert found.outcome is Outcome.FAILED
    assert "no KV connector" in found.meaning


def counted(**fields: Any) -> dict[str, Worker]:
    return {"d": replace(worker(""), transfers=0.0, transferred=0.0, transfer_seconds=0.0, failures=0.0, **fields)}


def moved(size: float, *, seconds: float = 0.01, count: float = 1) -> dict[str, Worker]:
    return {"d": replace(counted()["d"], transfers=count, transferred=size, transfer_seconds=seconds)}


def model(tokens: int = 128) -> Model:
    read = shape.read(LLAMA)
    assert isinstance(read, shape.Shape)
    return Model(read, (1,), tokens, "auto")


ASKED = [trial(answer=replace(GOOD, prompt_tokens=717))]


@pytest.mark.parametrize(
    ("size", "outcome", "words"),
    [
        (REAL, Outcome.OK, "1.6 MB per prompt, its KV cache is 1.3 to 1.6 MB"),
        (REAL / 2, Outcome.WARNING, "0.8 MB per prompt"),
        (REAL * 2, Outcome.WARNING, "3.1 MB per prompt"),
    ],
)
def test_bytes_per_prompt_are_those_of_the_models_kv_cache(size: float, outcome: Outcome, words: str) -> None:
    found = judge_transfer(counted(), moved(size), ["d"], [], trials=ASKED, model=model())
    assert (found.outcome, words in found.evidence) == (outcome, True), found


def test_other_clients_and_unknown_models_are_not_judged() -> None:
    noisy = [trial(decode=2, answer=replace(GOOD, prompt_tokens=717))]
    assert judge_transfer(counted(), moved(REAL / 2), ["d"], [], trials=noisy, model=model()).outcome is Outcome.OK
    assert judge_transfer(counted(), moved(REAL / 2), ["d"], [], trials=ASKED).outcome is Outcome.OK
    assert model_of(Unknown("odd"), []) is None


@pytest.mark.parametrize(
    ("size", "seconds", "rdma", "outcome"),
    [
        (115e6, 0.35, True, Outcome.FAILED),
        (115e6, 0.35, False, Outcome.OK),
        (115e6, 0.01, True, Outcome.OK),
        (1e6, 0.01, True, Outcome.OK),
    ],
    ids=["TCP instead of RDMA", "TCP as declared", "RDMA", "too small to judge"],
)
def test_tcp_instead_of_rdma_is_a_number(size: float, seconds: float, rdma: bool, outcome: Outcome) -> None:
    found = judge_transfer(counted(), moved(size, seconds=seconds), ["d"], [], rdma=rdma)
    assert found.outcome is outcome
    assert outcome is not Outcome.FAILED or "0.33 GB/s; UCX over TCP moves about 0.4 GB/s" in found.evidence


def test_prompts_that_decode_computes_again_are_a_silent_fallback() -> None:
    def judged(external: float, computed: float) -> Outcome | None:
        after = counted(external=external, computed=computed)
        found = judge_sources(counted(external=0.0, computed=0.0), after, ["d"], ASKED)
        return found.outcome if found else None

    assert judged(717, 1) is Outcome.OK
    assert judged(512, 205) is Outcome.WARNING
    assert judged(0, 717) is Outcome.FAILED
    assert judge_sources(counted(), counted(), ["d"], ASKED) is None
    assert judge_sources(counted(external=0.0), counted(external=0.0), ["d"], [trial(prefill=0)]) is None


def test_sources_are_read_from_vllms_counters() -> None:
    lines = [
        'vllm:prompt_tokens_by_source_total{engine="0",source="local_compute"} 7',
        'vllm:prompt_tokens_by_source_total{engine="0",source="local_cache_hit"} 100',
        'vllm:prompt_tokens_by_source_total{engine="0",source="external_kv_transfer"} 700',
        'vllm:prompt_tokens_by_source_total{engine="1",source="external_kv_transfer"} 17',
        'vllm:external_prefix_cache_hits_total{engine="0"} 9',
    ]
    new, old = worker("\n".join(lines)), worker(lines[-1])
    assert (new.external, new.computed) == (717, 7)
    assert (old.external, old.computed) == (9, None)


def test_the_model_is_as_the_pods_serve_it() -> None:
    def tier(role: str, *args: str) -> Tier:
        status = {"conditions": [{"type": "Ready", "status": "True"}]}
        pod = {"spec": {"containers": [{"name": "vllm", "args": list(args)}]}, "status": status}
        return Tier(role, Workload(role, 1, 1, rdma=False), [pod], 1)

    read = shape.read(LLAMA)
    found = model_of(read, [tier("prefill", "--block-size=64", "--kv-cache-dtype", "fp8"), tier("decode", "-x")])
    assert found is not None
    assert (found.ranks, found.block, found.dtype) == ((1,), 64, "fp8")
    both = [tier("prefill", "--tensor-parallel-size=1"), tier("decode", "--tensor-parallel-size=8")]
    found = model_of(read, both)
    assert found is not None
    # Eight ranks hold a copy of one of four KV heads each.
    assert found.bytes(16) == (32_768, 65_536)
    assert flags_of(tier("decode").pods[0]) == {}
