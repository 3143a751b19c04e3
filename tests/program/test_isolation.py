"""`security.level: locked` allows the connections that serving needs, and no others, for each provider and release."""

from typing import Any

import pytest

from components.config.vocabulary import ReleaseName
from components.gateways import available
from tests.program.policies_evaluated import End, passes
from tests.program.wire import AMD, made, ran

CELLS = [(each.word.value, release.value) for release in ReleaseName for each in available(release)]
NAMESPACE, GATEWAY = "llm-d-pd", "infra-pd-inference-gateway"
RANGES = ["10.129.0.0/23"]
GATEWAY_LABEL = "gateway.networking.k8s.io/gateway-name"
ANY_PORT = 43210
"""UCX takes whichever is free."""

OTHERS = {
    "a pod of the namespace": End("10.0.0.66", {"app": "x"}, NAMESPACE),
    "a pod elsewhere with the workers' labels": End("10.0.0.67", {"llm-d.ai/instance": "pd"}, "other"),
    "another install's worker": End("10.0.0.68", {"llm-d.ai/instance": "two", "llm-d.ai/role": "decode"}, NAMESPACE),
    "another Gateway's proxy": End("10.0.0.69", {GATEWAY_LABEL: "public"}, NAMESPACE),
    "a proxy of the same name elsewhere": End("10.0.0.70", {GATEWAY_LABEL: GATEWAY}, "other"),
    "the internet": End("203.0.113.9"),
}
API_SERVER, NAME_SERVER, METADATA = (
    End("10.96.0.1"),
    End("10.0.9.9", {"k8s-app": "kube-dns"}, "kube-system"),
    End("169.254.169.254"),
)
HUGGING_FACE, INSIDE = End("18.164.174.55"), End("192.168.3.4")


class Stack:
    """The policies of a stack, and its pods with the labels that the program gives them."""

    def __init__(self, **serving: Any) -> None:
        objects = made({**AMD, "security": {"level": "locked"}, **serving}).objects
        self.policies = [each for key, each in objects.items() if key.startswith("NetworkPolicy/")]
        self.picker = self._pod(objects["Deployment/gaie-pd-epp"], "10.0.0.1")
        self.prefill = self._pod(objects["Deployment/ms-pd-llm-d-modelservice-prefill"], "10.0.0.2")
        self.decode = self._pod(objects["Deployment/ms-pd-llm-d-modelservice-decode"], "10.0.0.3")

    @staticmethod
    def _pod(deployment: dict[str, Any], address: str) -> End:
        return End(address, deployment["spec"]["template"]["metadata"]["labels"], NAMESPACE)

    def open(self, source: End, target: End, *ports: int, protocol: str = "TCP") -> list[int]:
        """Ports of these that come through."""
        return [port for port in ports if passes(self.policies, source, target, port, protocol)]


def _locked(provider: str, release: str) -> tuple[Stack, End]:
    """The stack, and where its Gateway's requests come from."""
    outside = provider == "gke"
    security = {"level": "locked", **({"gatewayRanges": RANGES} if outside else {})}
    stack = Stack(release=release, gateway={"provider": provider}, security=security)
    label = "llm-d.ai/gateway" if provider == "standalone" else GATEWAY_LABEL
    return stack, End("10.129.1.7") if outside else End("10.0.0.9", {label: GATEWAY}, NAMESPACE)


@pytest.mark.parametrize(("provider", "release"), CELLS)
def test_what_serving_needs_comes_through(provider: str, release: str) -> None:
    stack, gateway = _locked(provider, release)
    picker, prefill, decode = stack.picker, stack.prefill, stack.decode
    assert stack.open(gateway, picker, 9002) == [9002]
    for worker in (prefill, decode):
        assert stack.open(gateway, worker, 8000) == [8000]
        assert stack.open(picker, worker, 8000) == [8000]
        assert stack.open(worker, HUGGING_FACE, 443) == [443]
    assert stack.open(decode, prefill, 8000, 5600, ANY_PORT) == [8000, 5600, ANY_PORT]
    assert stack.open(prefill, decode, 5600, 5603, ANY_PORT) == [5600, 5603, ANY_PORT]
    for port in (443, 6443):
        assert stack.open(picker, API_SERVER, port) == [port]
    for one in (picker, prefill, decode):
        for protocol in ("UDP", "TCP"):
            assert stack.open(one, NAME_SERVER, 53, protocol=protocol) == [53]


@pytest.mark.parametrize(("provider", "release"), CELLS)
@pytest.mark.parametrize("other", OTHERS)
def test_other_pods_reach_nothing(provider: str, release: str, other: str) -> None:
    stack, _ = _locked(provider, release)
    ports = (22, 5600, 8000, 8200, 9002, 9003, 9090, ANY_PORT)
    for target in (stack.picker, stack.prefill, stack.decode):
        assert stack.open(OTHERS[other], target, *ports) == []


@pytest.mark.parametrize(("provider", "release"), CELLS)
def test_no_pod_of_the_stack_reaches_more_than_it_needs(provider: str, release: str) -> None:
    stack, gateway = _locked(provider, release)
    picker, prefill, decode = stack.picker, stack.prefill, stack.decode
    every = (22, 443, 5600, 6443, 8000, 8200, 9002, 9003, 9090, ANY_PORT)
    assert stack.open(gateway, picker, *every) == [9002]
    assert stack.open(gateway, decode, *every) == [8000]
    assert stack.open(gateway, prefill, *every) == [8000]
    for worker in (prefill, decode):
        assert stack.open(picker, worker, *every) == [8000]
        assert stack.open(worker, picker, *every) == []
        assert stack.open(worker, worker, *every) == []
        assert stack.open(worker, HUGGING_FACE, *every) == [443]
        for private in (API_SERVER, METADATA, INSIDE):
            assert stack.open(worker, private, *every) == []
    assert stack.open(picker, HUGGING_FACE, *every) == [443, 6443]
    assert stack.open(picker, OTHERS["a pod of the namespace"], 8000) == []


@pytest.mark.parametrize(
    ("gateway", "namespace"),
    [
        ({}, "llm-d-monitoring"),
        ({"provider": "gke"}, "gmp-system"),
        ({"provider": "gke", "autopilot": True}, "gke-gmp-system"),
    ],
)
def test_metrics_are_for_the_namespace_of_monitoring(gateway: dict[str, Any], namespace: str) -> None:
    stack = Stack(gateway=gateway, security={"level": "locked", "gatewayRanges": RANGES})
    prometheus, elsewhere = End("10.0.1.1", {"app": "prometheus"}, namespace), End("10.0.1.2", {}, "monitoring")
    ports = (5600, 8000, 8200, 9002, 9090)
    assert stack.open(prometheus, stack.picker, *ports) == [9090]
    assert stack.open(prometheus, stack.prefill, *ports) == [8000]
    assert stack.open(prometheus, stack.decode, *ports) == [8200]
    assert not any(stack.open(elsewhere, each, *ports) for each in (stack.picker, stack.prefill, stack.decode))


def test_the_namespace_of_monitoring_can_be_said() -> None:
    said = {"level": "locked", "monitoringNamespace": {"kubernetes.io/metadata.name": "monitoring"}}
    stack = Stack(security=said)
    assert stack.open(End("10.0.1.2", {}, "monitoring"), stack.picker, 9090) == [9090]
    assert stack.open(End("10.0.1.1", {}, "llm-d-monitoring"), stack.picker, 9090) == []
    without = Stack(security=said, monitoring={"enabled": False})
    assert without.open(End("10.0.1.2", {}, "monitoring"), without.picker, 9090) == []


def test_a_load_balancer_may_ask_for_health() -> None:
    stack, _ = _locked("gke", "0.6")
    for asks in (End("35.191.4.4"), End("130.211.2.2")):
        assert stack.open(asks, stack.decode, 8000, 8200) == [8000]
        assert stack.open(asks, stack.picker, 9002, 9003, 9090) == [9002, 9003]


def test_weights_in_a_claim_are_not_downloaded() -> None:
    stack = Stack(createNamespace=False, model={**AMD["model"], "claim": "weights", "path": "llama"})
    for target in (HUGGING_FACE, API_SERVER, METADATA, INSIDE, *OTHERS.values()):
        assert stack.open(stack.decode, target, 80, 443, 5600, 9999, ANY_PORT) == [], "an address in kv_transfer_params"
    assert stack.open(stack.decode, stack.prefill, 8000) == [8000]


def test_a_gateway_of_another_namespace_comes_in_and_no_other() -> None:
    stack = Stack(gateway={"existing": {"name": "shared", "namespace": "gateways"}})
    assert stack.open(End("10.0.0.9", {GATEWAY_LABEL: "shared"}, "gateways"), stack.decode, 8000) == [8000]
    assert stack.open(End("10.0.0.9", {GATEWAY_LABEL: "shared"}, NAMESPACE), stack.decode, 8000) == []
    assert stack.open(End("10.0.0.9", {GATEWAY_LABEL: "other"}, "gateways"), stack.decode, 8000) == []


def test_traces_go_to_the_collectors_port() -> None:
    stack = Stack(tracing={"endpoint": "http://otel-collector.monitoring:4317"})
    collector = End("10.0.1.3", {}, "monitoring")
    for one in (stack.picker, stack.prefill, stack.decode):
        assert stack.open(one, collector, 4317, 4318) == [4317]


def test_the_ports_are_the_settings() -> None:
    stack = Stack(ports={"serving": 9000, "decodeVllm": 9200})
    gateway = End("10.0.0.9", {GATEWAY_LABEL: GATEWAY}, NAMESPACE)
    assert stack.open(gateway, stack.decode, 8000, 9000, 9200) == [9000]
    assert stack.open(stack.picker, stack.prefill, 8000, 9000) == [9000]
    assert stack.open(End("10.0.1.1", {}, "llm-d-monitoring"), stack.decode, 8200, 9200) == [9200]


def test_on_the_hosts_network_the_picker_alone_is_protected_and_that_is_said() -> None:
    serving = {**AMD, "hostNetwork": True, "security": {"level": "locked"}}
    stack, recorder = Stack(hostNetwork=True), ran(serving)
    assert [each["metadata"]["name"] for each in stack.policies] == ["gaie-pd-epp"]
    node = End("172.18.0.4")
    assert stack.open(stack.picker, node, 8000, 8200) == [8000]
    assert [message for message in recorder.messages if "where no NetworkPolicy reaches them" in message]


def test_no_policy_without_being_asked() -> None:
    assert not [key for key in made(AMD).objects if key.startswith("NetworkPolicy/")]
