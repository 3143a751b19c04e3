"""The GPU product that nodes' labels name: against the settings, or instead of them."""

from typing import Any

import pytest

from preflight.checks import sizing
from preflight.finding import Finding, Severity
from tests.preflight.typed import NODES, Typed, facts, listed, node

PRODUCT = "amd.com/gpu.product-name"
MI300X: dict[str, Any] = {PRODUCT: "AMD_Instinct_MI300X_OAM"}
MI325X: dict[str, Any] = {PRODUCT: "AMD_Instinct_MI325X"}


def _found(nodes: list[Any], **changes: Any) -> list[Finding]:
    return list(sizing.check(facts(Typed({NODES: listed(*nodes)}), **changes)))


def test_nodes_without_a_label_say_nothing() -> None:
    assert _found([node("a")]) == _found([node("a")], gpu="MI300X") == []


def test_the_product_that_the_settings_name() -> None:
    assert _found([node("a", **MI300X), node("b", **MI300X)], gpu="MI300X") == []
    (finding,) = _found([node("a", **MI300X)], gpu="MI325X")
    assert (finding.severity, finding.path) == (Severity.WARNING, "serving.gpu")
    assert "is MI325X, and nodes have MI300X (1 nodes)" in finding.evidence


def test_a_model_is_sized_for_what_the_nodes_have() -> None:
    assert _found([node("a", **MI300X)]) == []
    (finding,) = _found([node("a", **MI300X)], model__name="deepseek-ai/DeepSeek-R1", decode__tensorParallel=8)
    assert (finding.severity, finding.path) == (Severity.ERROR, "serving.prefill.tensorParallel")
    assert "GiB of weights" in finding.evidence
    assert finding.remedy == "serving.prefill.tensorParallel: 4"


@pytest.mark.parametrize(
    "labels",
    [
        {PRODUCT: "AMD_Instinct_MI308X"},
        {PRODUCT: "AMD_Instinct_MI300XHF"},
        {PRODUCT: "AMD_Instinct_MI300X-SHARED"},
        {"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3"},
    ],
)
def test_another_product_is_not_taken_for_a_known_one(labels: dict[str, Any]) -> None:
    assert _found([node("a", **labels)], model__name="deepseek-ai/DeepSeek-R1", decode__tensorParallel=8) == []


def test_two_products_and_nodes_without_gpus_say_nothing() -> None:
    large = {"model__name": "deepseek-ai/DeepSeek-R1", "decode__tensorParallel": 8}
    assert _found([node("a", **MI300X), node("b", **MI325X)], **large) == []
    assert _found([node("a", gpu=0, **MI300X)], **large) == []


R1 = {"model__name": "deepseek-ai/DeepSeek-R1", "decode__tensorParallel": 8}


@pytest.mark.parametrize(
    ("labels", "memory"), [({"amd.com/gpu.vram": "65536"}, "64 GiB"), ({"beta.amd.com/gpu.vram": "64G"}, "64 GiB")]
)
def test_a_gpu_that_is_not_known_is_sized_by_its_memory(labels: dict[str, Any], memory: str) -> None:
    unknown = {PRODUCT: "AMD_Instinct_MI999", **labels}
    large: dict[str, Any] = {"amd.com/gpu.vram": "999G"}
    findings = _found([node("a", **unknown), node("b", **unknown)], **R1)
    assert {finding.path for finding in findings} == {"serving.prefill.tensorParallel", "serving.decode.tensorParallel"}
    assert f"(nodes have GPUs of at most {memory})" in findings[0].evidence
    assert _found([node("a", **unknown), node("b")], **R1) == []
    assert _found([node("a", **unknown), node("b", **large)], **R1) == []
    assert _found([node("a", **unknown)], **R1, gpu="MI325X") == []
