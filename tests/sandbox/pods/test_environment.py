"""Programs and environment of containers, and addresses of pods."""

import pytest

from sandbox.cluster.api import Object
from sandbox.pods.environment import environment, service_links
from sandbox.pods.images import program
from sandbox.pods.nodes import Addresses

NEWER = ("epp-v0.10.0", "pd-sidecar-v0.10.0")
TOOLS = ("epp-v0.7.1", "epp-v0.4.0", "pd-sidecar-v0.7.1", "pd-sidecar-v0.4.0", "llm-d-inference-sim", "envoy")


@pytest.mark.parametrize(
    ("image", "tool", "vllm"),
    [
        ("ghcr.io/llm-d/llm-d-inference-scheduler:v0.7.1", "epp-v0.7.1", None),
        ("mirror.example:5000/a/b/llm-d-inference-scheduler:v0.4.0", "epp-v0.4.0", None),
        ("ghcr.io/llm-d/llm-d-router-endpoint-picker:v0.10.0", "epp-v0.10.0", None),
        ("ghcr.io/llm-d/llm-d-router-disagg-sidecar:v0.10.0", "pd-sidecar-v0.10.0", None),
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
    found = program(image, (*TOOLS, *NEWER))
    assert (found.tool, found.vllm) == (tool, vllm)


POD: Object = {
    "metadata": {"name": "decode-0", "namespace": "llm-d-pd"},
    "spec": {"nodeName": "amd-0", "containers": []},
    "status": {"podIP": "10.244.0.7"},
}


def variables(*env: Object) -> dict[str, str]:
    return environment({"env": list(env)}, POD, lambda *_: None, {"BASE": "0"})


def test_a_value_may_use_only_variables_before_it() -> None:
    found = variables(
        {"name": "A", "value": "1"}, {"name": "B", "value": "$(A)$(BASE)-$(C)-$$(A)"}, {"name": "C", "value": "3"}
    )
    assert found["B"] == "10-$(C)-$(A)"


def test_a_service_has_a_kubelets_variables() -> None:
    ports = [{"name": "grpc-ext-proc", "port": 9002}, {"name": "dns", "port": 53, "protocol": "UDP"}]
    named = {"metadata": {"name": "gaie-pd-epp"}, "spec": {"clusterIP": "10.96.0.9", "ports": ports}}
    headless = {"metadata": {"name": "headless"}, "spec": {"clusterIP": "None", "ports": ports}}
    assert service_links([named, headless]) == {
        "GAIE_PD_EPP_SERVICE_HOST": "10.96.0.9",
        "GAIE_PD_EPP_SERVICE_PORT": "9002",
        "GAIE_PD_EPP_SERVICE_PORT_GRPC_EXT_PROC": "9002",
        "GAIE_PD_EPP_SERVICE_PORT_DNS": "53",
        "GAIE_PD_EPP_PORT": "tcp://10.96.0.9:9002",
        "GAIE_PD_EPP_PORT_9002_TCP": "tcp://10.96.0.9:9002",
        "GAIE_PD_EPP_PORT_9002_TCP_PROTO": "tcp",
        "GAIE_PD_EPP_PORT_9002_TCP_PORT": "9002",
        "GAIE_PD_EPP_PORT_9002_TCP_ADDR": "10.96.0.9",
        "GAIE_PD_EPP_PORT_53_UDP": "udp://10.96.0.9:53",
        "GAIE_PD_EPP_PORT_53_UDP_PROTO": "udp",
        "GAIE_PD_EPP_PORT_53_UDP_PORT": "53",
        "GAIE_PD_EPP_PORT_53_UDP_ADDR": "10.96.0.9",
    }


def test_a_freed_address_is_reused_last() -> None:
    """Neighbours may still know the hardware address of its last pod."""
    addresses = Addresses()
    addresses.take("10.244.0.2")
    assert [addresses.give() for _ in range(3)] == ["10.244.0.3", "10.244.0.4", "10.244.0.5"]
    addresses.free("10.244.0.3")
    assert addresses.give() == "10.244.0.6"
