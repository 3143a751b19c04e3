import pytest

from sandbox.pods.images import UnknownImage, program

TOOLS = ("epp-v0.7.1", "epp-v0.4.0", "pd-sidecar-v0.7.1", "pd-sidecar-v0.4.0", "llm-d-inference-sim", "envoy")


@pytest.mark.parametrize(
    ("image", "tool", "vllm"),
    [
        ("ghcr.io/llm-d/llm-d-inference-scheduler:v0.7.1", "epp-v0.7.1", None),
        ("mirror.example:5000/a/b/llm-d-inference-scheduler:v0.4.0", "epp-v0.4.0", None),
        ("ghcr.io/llm-d/llm-d-routing-sidecar:v0.4.0", "pd-sidecar-v0.4.0", None),
        ("ghcr.io/llm-d/llm-d-routing-sidecar:v0.7.1@sha256:0123", "pd-sidecar-v0.7.1", None),
        ("envoyproxy/envoy:v1.35-latest", "envoy", None),
        ("sandbox/envoy", "envoy", None),
        ("ghcr.io/llm-d/llm-d-rocm:v0.6.0", "llm-d-inference-sim", "0.17.1"),
        ("ghcr.io/llm-d/llm-d-cuda:v0.4.0", "llm-d-inference-sim", "0.11.2"),
        ("ghcr.io/vcave/llm-d/llm-d-rocm:v0.4.5-debug", "llm-d-inference-sim", "0.17.1"),
        ("ghcr.io/llm-d/llm-d-xpu:v0.6.0", "llm-d-inference-sim", "0.17.1"),
        ("ghcr.io/llm-d/llm-d-aws:v0.6.0", "llm-d-inference-sim", "0.17.1"),
        ("vllm/vllm-openai:v0.11.0", "llm-d-inference-sim", "0.11.2"),
        ("vllm/vllm-openai", "llm-d-inference-sim", "0.17.1"),
        ("registry.k8s.io/pause:3.10", "", None),
    ],
)
def test_the_end_of_its_name_identifies_an_image(image: str, tool: str, vllm: str | None) -> None:
    found = program(image, TOOLS)
    assert (found.tool, found.vllm) == (tool, vllm)


@pytest.mark.parametrize(
    "image",
    [
        "nginx:1",
        "ghcr.io/llm-d/llm-d-inference-scheduler:v0.9.9",
        "ghcr.io/llm-d/llm-d-routing-sidecar",
        "x/vllm-not:1",
    ],
)
def test_other_images_are_refused_with_a_list_of_known_ones(image: str) -> None:
    with pytest.raises(UnknownImage) as refusal:
        program(image, TOOLS)
    for known in (image, "llm-d-inference-scheduler:v0.7.1", "llm-d-routing-sidecar:v0.4.0", "envoy", "vllm-openai"):
        assert known in str(refusal.value)
