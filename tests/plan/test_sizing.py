"""Whether the model fits: ten impossible layouts are refused, ten unusual ones are not; the rest is warned about."""

from pathlib import Path
from typing import Any

import pytest

from components.accelerators import PROFILES
from components.config.vocabulary import Gpu
from components.plan import resolve
from tests.stack_file import problems, settings

LLAMA_8 = "meta-llama/Llama-3.1-8B-Instruct"
LLAMA = "RedHatAI/Llama-3.3-70B-Instruct-FP8-dynamic"
R1 = "deepseek-ai/DeepSeek-R1"
LENGTH = "serving.model.maxModelLen"
P_TP, D_TP = "serving.prefill.tensorParallel", "serving.decode.tensorParallel"


@pytest.fixture(autouse=True)
def no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No config.json of this machine."""
    monkeypatch.setenv("HF_HOME", str(tmp_path))


def _stack(gpu: str, model: str, prefill: int = 1, decode: int = 4, **more: Any) -> dict[str, Any]:
    vendor = "amd" if gpu.startswith("MI") else "nvidia"
    tiers = {"prefill__tensorParallel": prefill, "decode__tensorParallel": decode}
    return {"accelerator": vendor, "gpu": gpu, "model__name": model, "model__tokenSecret": None, **tiers, **more}


@pytest.mark.parametrize(
    ("stack", "path", "words"),
    [
        (_stack("H100", LLAMA), LENGTH, ["prefill worker", "weights 67.7", "tensorParallel: 2", "H200, B200"]),
        (_stack("L40S", LLAMA, 1, 4), P_TP, ["67.7 GiB of weights", "44.4 GiB"]),
        (_stack("H100", R1, 8, 8), P_TP, ["GiB of weights", "H200"]),
        (_stack("MI300X", R1, 2, 4), P_TP, ["GiB of weights", "tensorParallel: 4"]),
        (_stack("H100", "microsoft/phi-4", 4, 4), P_TP, ["10 KV heads", "use one of 1, 2"]),
        (_stack("H100", "Qwen/Qwen2-7B-Instruct", 8, 8), D_TP, ["28 attention heads", "use one of 1, 2, 4"]),
        (_stack("H200", "openai/gpt-oss-120b", 1, 4, model__maxModelLen=10_000_000), LENGTH, ["at most 1813760"]),
        (_stack("A100", "Qwen/Qwen3-32B", 1, 2, model__maxModelLen=131072), LENGTH, ["prefill worker"]),
        (_stack("B200", "Qwen/Qwen3-Coder-480B-A35B-Instruct", 4, 8), P_TP, ["GiB of weights"]),
        (_stack("MI300X", "meta-llama/Llama-3.1-405B-Instruct", 4, 4), P_TP, ["MI325X"]),
    ],
)
def test_an_impossible_layout_is_refused_with_numbers(stack: dict[str, Any], path: str, words: list[str]) -> None:
    found = problems(**stack)
    assert path in found, list(found)
    text = found[path].text()
    assert [word for word in words if word not in text] == [], text


@pytest.mark.parametrize(
    "stack",
    [
        _stack("MI300X", "amd/Llama-3.3-70B-Instruct-FP8-KV"),
        _stack("H200", LLAMA),
        _stack("H100", LLAMA, 2, 4),
        _stack("H100", LLAMA, 1, 4, prefill__extraArgs=["--kv-cache-memory-bytes=11000000000"]),
        _stack("H100", LLAMA, 1, 4, prefill__image="registry.example.com/vllm:own", decode__image="e.com/vllm:own"),
        _stack("L40S", LLAMA_8, 1, 1, model__maxModelLen=100_000),
        _stack("H100", "org/model-of-our-own", 8, 8, model__maxModelLen=1_000_000),
        _stack("H100", LLAMA, 1, 4, prefill__extraArgs=["--cpu-offload-gb=40"]),
        _stack("H200", "Qwen/Qwen3-30B-A3B", 8, 8),
        _stack("B200", R1, 8, 8, model__maxModelLen=None),
        _stack("H100", LLAMA, gpuResource="nvidia.com/mig-3g.40gb"),
    ],
)
def test_an_unusual_layout_is_accepted(stack: dict[str, Any]) -> None:
    found = problems(**stack)
    assert not {LENGTH, P_TP, D_TP, "serving.gpu"} & found.keys(), [each.text() for each in found.values()]


def test_without_a_product_nothing_is_sized() -> None:
    plan = resolve(settings())
    assert plan.sized == []
    assert plan.settings.gpu is None


@pytest.mark.parametrize(
    ("more", "heads"),
    [
        ({"gpu": None}, 28),
        ({"gpuResource": "nvidia.com/mig-3g.40gb"}, 28),
        ({"gpu": None, "model__shape": {"text_config": {"num_attention_heads": 20}}}, 20),
    ],
)
def test_without_a_sized_product_a_parallelism_that_vllm_refuses_is_a_warning(more: dict[str, Any], heads: int) -> None:
    stack = {**_stack("H100", "Qwen/Qwen2-7B-Instruct", 4, 8), **more}
    assert D_TP not in problems(**stack)
    [note] = [each for each in resolve(settings(**stack)).notes if "attention heads" in each]
    assert note.startswith(f"{D_TP}: 8 does not divide the {heads} attention heads of Qwen/Qwen2-7B-Instruct"), note


@pytest.mark.parametrize(
    "stack",
    [
        _stack("H100", "Qwen/Qwen2-7B-Instruct", 4, 4),
        _stack("H100", "org/model-of-our-own", 1, 3),
        _stack("H100", "Qwen/Qwen2-7B-Instruct", 8, 8, model__shape={}),
    ],
)
def test_a_parallelism_that_divides_or_an_unknown_shape_has_no_warning(stack: dict[str, Any]) -> None:
    found = resolve(settings(**{**stack, "gpu": None})).notes
    assert not [each for each in found if "attention heads" in each]


def test_every_product_of_the_accelerators_is_a_word() -> None:
    """Each number of a product has a source."""
    cards = [card for profile in PROFILES.values() for card in profile.products.values()]
    assert {card.name for card in cards} == {each.value for each in Gpu}
    assert all(card.sources.keys() >= {"memory", "bandwidth", "flops"} for card in cards)


def test_a_product_of_another_vendor_is_refused() -> None:
    text = problems(gpu="H100")["serving.gpu"].text()
    assert "is no GPU of serving.accelerator: amd" in text
    assert "MI300X, MI325X, MI355X" in text


def _notes(**changes: Any) -> list[str]:
    return resolve(settings(**changes)).notes


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        (_stack("H100", "org/model"), "unknown: no config.json of org/model; set serving.model.shape"),
        (_stack("H200", "org/Llama-3.3-70B-Instruct-FP8"), "guessed from its name"),
        (_stack("H200", "Qwen/Qwen3-30B-A3B", 8, 8), "is more than the model's 4 KV heads: 2 GPUs hold a copy"),
        (_stack("H200", "openai/gpt-oss-120b", 1, 4, release="0.6"), "keeps whole sequences of all its layers"),
        (
            _stack("H200", LLAMA, release="0.6", decode__extraArgs=["--gpu-memory-utilization=0.97"]),
            "graphs are captured after",
        ),
        (_stack("H200", LLAMA, model__maxModelLen=120_000), "1.6 sequences of that length"),
        (_stack("H200", R1, 8, 8, model__storage="500Gi"), "model.storage is 500 GiB, and the weights have 627"),
        (
            _stack("H200", LLAMA, decode__memory="8Gi"),
            "serving.decode.memory gives a worker 8 GiB of the node's memory, and it takes 12 or more: 6 processes",
        ),
        (
            _stack("H200", LLAMA, prefill__extraArgs=["--cpu-offload-gb=70"]),
            "it takes 76 or more: 3 processes of at least 2 GiB, and 70 GiB of weights or KV cache that flags move",
        ),
        (
            _stack("H200", LLAMA, decode__shmSize="64Mi"),
            "serving.decode.shmSize gives the processes of 4 GPUs 64 MiB of /dev/shm",
        ),
        (_stack("H200", LLAMA, gpuResource="nvidia.com/mig-3g.40gb"), "may be a part of a GPU"),
        ({"load__inputTokens": 100, "load__outputTokens": 10}, "set serving.gpu"),
        (
            _stack("H200", LLAMA, load={"inputTokens": 8000, "outputTokens": 100, "requestsPerSecond": 50}),
            "is more than 4 prefill and 1 decode workers carry",
        ),
        (
            _stack("H200", LLAMA, load={"inputTokens": 8000, "outputTokens": 100, "concurrency": 4, "ttft": 200}),
            "serving.load.ttft is missed",
        ),
        (
            _stack("H200", LLAMA, load={"inputTokens": 8000, "outputTokens": 100}),
            "serving.rdma has the KV cache of a prompt of 8000 tokens (2.6 GB) take 6.6 s over TCP",
        ),
        (_stack("H200", LLAMA), "of 4000 tokens (1.3 GB) take 3.3 s over TCP, and computing the prompt takes 0.4 s"),
        (
            _stack("H200", LLAMA, load={"inputTokens": 1000, "outputTokens": 100, "concurrency": 4, "itl": 5}),
            "serving.load.itl is missed",
        ),
        (
            _stack(
                "H200",
                LLAMA,
                load={
                    "inputTokens": 100,
                    "outputTokens": 1000,
                    "requestsPerSecond": 5,
                    "measured": {"prefill": 9000, "decode": 5500},
                },
            ),
            "serving.prefill.replicas is more than the load needs",
        ),
    ],
)
def test_what_is_likely_is_a_warning(changes: dict[str, Any], word: str) -> None:
    notes = _notes(**changes)
    assert any(word in note for note in notes), notes


def test_the_same_settings_without_a_fault_have_no_warning() -> None:
    quiet = _stack("H200", LLAMA, rdma={"resource": "rdma/ib"})
    assert [note for note in _notes(**quiet) if "GiB" in note or "serving.load" in note] == []
    load = {"inputTokens": 1000, "outputTokens": 100, "concurrency": 4, "itl": 40, "ttft": 2000}
    assert [note for note in _notes(**quiet, load=load) if "is missed" in note] == []


def test_a_shape_in_the_repository_beats_the_table_and_its_fields_do(monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = {
        "architectures": ["LlamaForCausalLM"],
        "num_hidden_layers": 2,
        "hidden_size": 512,
        "intermediate_size": 1024,
        "num_attention_heads": 8,
        "vocab_size": 32000,
    }
    plan = resolve(settings(**_stack("H100", R1, 1, 4, model__shape=tiny)))
    assert plan.sized[0]["weightsGiB"] == 0.1
    text = problems(**_stack("H100", R1, 1, 4, model__shape="../config.json"))
    assert "serving.model.shape" not in text, "a path that cannot be read is a warning"
    notes = _notes(**_stack("H100", R1, 1, 4, model__shape="shapes/none/config.json"))
    assert any("config.json cannot be read" in note for note in notes)


def test_the_cache_of_the_machine_is_looked_at_before_the_table(tmp_path: Path) -> None:
    folder = tmp_path / "hub" / "models--org--new" / "snapshots" / "abc"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text('{"architectures": ["NewForCausalLM"]}')
    notes = _notes(**_stack("H100", "org/new"))
    assert any("unknown: NewForCausalLM" in note for note in notes)


def test_the_table_of_the_stack_output() -> None:
    prefill, decode = resolve(settings(**_stack("MI300X", "amd/Llama-3.3-70B-Instruct-FP8-KV"))).sized
    assert (prefill["tier"], prefill["workers"], prefill["tensorParallel"]) == ("prefill", 4, 1)
    assert prefill["weightsGiB"] == 69.0
    assert prefill["cacheGiB"] == pytest.approx(105.1, abs=0.2)
    assert prefill["sequences"] == pytest.approx(10.8, abs=0.1)
    assert decode["cacheTokens"] == pytest.approx(2_036_608, rel=0.01)


@pytest.mark.parametrize(
    ("load", "path"),
    [
        ({"inputTokens": 10, "outputTokens": 10, "requestsPerSecond": 1, "concurrency": 1}, "serving.load"),
        ({"inputTokens": 0, "outputTokens": 10}, "serving.load.inputTokens"),
        ({"outputTokens": 10}, "serving.load.inputTokens"),
        ({"inputTokens": 10, "outputTokens": 10, "measured": {"prefill": 1}}, "serving.load.measured.decode"),
    ],
)
def test_a_load_that_cannot_be_meant(load: dict[str, Any], path: str) -> None:
    assert path in problems(load=load)


def test_numbers_of_a_load_may_be_text() -> None:
    """`pulumi config set` writes fractions as text."""
    load = settings(load={"inputTokens": 10, "outputTokens": 10, "requestsPerSecond": "0.5", "itl": "30"}).load
    assert load
    assert (load.requests_per_second, load.itl) == (0.5, 30)


NVIDIA: dict[str, Any] = {"accelerator": "nvidia", "model__name": LLAMA, "rdma": {"resource": "rdma/ib"}}
LOAD = {"inputTokens": 4000, "outputTokens": 500, "requestsPerSecond": 8, "ttft": 2000, "itl": 40}
MEASURED = {"prefill": 9600, "decode": 8000}
AMD: dict[str, Any] = {"rdma": {"resource": "rdma/ib"}}


@pytest.mark.parametrize(
    "stack", [{**AMD, "gpu": "MI300X"}, {**NVIDIA, "gpu": "H200"}, {**NVIDIA, "gpu": "H200", "load": LOAD}]
)
def test_the_page_has_what_a_preview_prints(stack: dict[str, Any]) -> None:
    assert resolve(settings(**stack)).report in Path("docs/sizing.md").read_text()


def test_rows_have_rates_where_a_load_is_stated() -> None:
    plan = resolve(settings(**NVIDIA, gpu="H200", load={**LOAD, "measured": MEASURED}))
    prefill, decode = plan.sized
    assert (prefill["tokensPerSecond"], decode["tokensPerSecond"]) == (9600, 8000)
    assert (prefill["busy"], decode["busy"]) == (0.93, 0.54), "8 * 4000 / (4 * 9600 * 0.90), 8 * 500 / (8000 * 0.92)"
    assert (
        "(serving.load.measured)" in resolve(settings(**NVIDIA, gpu="H200", load={**LOAD, "measured": MEASURED})).report
    )


def test_the_page_has_the_refusal_of_the_shipped_stack() -> None:
    assert problems(gpu="H100", **NVIDIA)[LENGTH].text() in Path("docs/sizing.md").read_text()
