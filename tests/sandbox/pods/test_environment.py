"""Programs, environment and name resolution of containers, as strict as a kubelet's."""

import pytest

from sandbox.cluster.api import Object
from sandbox.pods.environment import ConfigError, environment, resolver, service_links
from sandbox.pods.images import UnknownImage, program

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


POD: Object = {
    "metadata": {"name": "decode-0", "namespace": "llm-d-pd"},
    "spec": {"nodeName": "amd-0", "containers": []},
    "status": {"podIP": "10.244.0.7"},
}
STORED: dict[tuple[str, str], Object] = {("secret", "token"): {"data": {"HF_TOKEN": "hf_1"}}}


def variables(*env: Object) -> dict[str, str]:
    return environment({"env": list(env)}, POD, lambda *key: STORED.get(key), {"BASE": "0"})


def test_a_value_may_use_only_variables_before_it() -> None:
    found = variables(
        {"name": "A", "value": "1"}, {"name": "B", "value": "$(A)$(BASE)-$(C)-$$(A)"}, {"name": "C", "value": "3"}
    )
    assert found["B"] == "10-$(C)-$(A)"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ({"secretKeyRef": {"name": "none", "key": "K"}}, 'secret "none" not found'),
        ({"configMapKeyRef": {"name": "none", "key": "K"}}, 'configmap "none" not found'),
        ({"secretKeyRef": {"name": "token", "key": "K"}}, "couldn't find key K in Secret llm-d-pd/token"),
    ],
)
def test_a_missing_object_is_an_error_unless_it_is_optional(source: Object, words: str) -> None:
    with pytest.raises(ConfigError) as error:
        variables({"name": "A", "valueFrom": source})
    assert str(error.value) == words
    [(kind, reference)] = source.items()
    assert "A" not in variables({"name": "A", "valueFrom": {kind: {**reference, "optional": True}}})


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


CLUSTERS = (
    "nameserver 10.244.255.254\nsearch llm-d-pd.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5\n"
)


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ({}, CLUSTERS),
        ({"hostNetwork": True, "dnsPolicy": "ClusterFirstWithHostNet"}, CLUSTERS),
        ({"hostNetwork": True, "dnsPolicy": "ClusterFirst"}, ""),
        ({"dnsPolicy": "Default"}, ""),
    ],
)
def test_pods_use_the_clusters_dns_unless_their_policy_differs(spec: Object, text: str) -> None:
    assert resolver({**POD, "spec": {**POD["spec"], **spec}}) == text
