"""Every gateway provider with every release: its objects, its settings in them, and its Service in the outputs."""

from dataclasses import asdict
from hashlib import sha256
from itertools import product
from typing import Any

import pytest

from components.config.vocabulary import Provider, ReleaseName
from tests.program.expected import EVERY_ACCELERATOR, Combination, layered
from tests.program.policies import violations
from tests.program.shape import differences
from tests.program.test_outputs import WithAddress
from tests.program.wire import AMD, HASH, TOKEN, comparable, made, ran
from tests.recorder import ROOT, run_program
from tests.stack_file import problems

GATEWAY = "infra-pd-inference-gateway"
ABSENT = [("data-science-gateway", "0.4")]
"""What the guide of that release does not have."""
CELLS = [(*each,) for each in product(map(str, Provider), map(str, ReleaseName)) if each not in ABSENT]
DRAIN = ROOT / "components" / "gateways" / "standalone" / "drain.sh"
SERVICES = {
    "standalone": GATEWAY,
    "istio": f"{GATEWAY}-istio",
    "kgateway": GATEWAY,
    "agentgateway": GATEWAY,
    "data-science-gateway": f"{GATEWAY}-data-science-gateway-class",
}


def _objects(provider: str, release: str, **gateway: Any) -> dict[str, Any]:
    serving = {**AMD, "release": release, "gateway": {"provider": provider, **gateway}}
    return made(serving).objects


def _parameters(provider: str, release: str, **gateway: Any) -> dict[str, Any]:
    objects = _objects(provider, release, **gateway)
    [spec] = [each["spec"] for key, each in objects.items() if key.endswith(f"Parameters/{GATEWAY}")]
    assert isinstance(spec, dict)
    return spec


@pytest.mark.parametrize("monitoring", [True, False])
@pytest.mark.parametrize(("provider", "release"), CELLS)
def test_a_provider_declares_exactly_the_expected_objects(provider: str, release: str, *, monitoring: bool) -> None:
    cell = Combination("amd", release, hostNetwork=False, rdma=True, monitoring=monitoring)
    serving = {**cell.serving, "gateway": {"provider": provider}}
    objects = made(serving).objects
    want = layered((*EVERY_ACCELERATOR, "amd", "providers"), {**asdict(cell), "provider": provider})
    del want[TOKEN]
    assert set(objects) == set(want)
    assert differences(want, comparable(objects)) == {}
    if envoy := objects.get(f"Deployment/{GATEWAY}"):
        template = envoy["spec"]["template"]
        config = objects[f"ConfigMap/{GATEWAY}"]["data"]["envoy.yaml"]
        assert template["metadata"]["annotations"][HASH] == sha256(config.encode()).hexdigest()
        command = template["spec"]["containers"][0]["lifecycle"]["preStop"]["exec"]["command"]
        assert command == ["bash", "-c", DRAIN.read_text(), "drain", "9901", "5"]
    if release == "0.6":
        assert violations(ran(serving)) == []


def test_every_setting_of_kgateway_is_in_its_parameters() -> None:
    sizes = {"cpu": "1", "memory": "2Gi", "cpuLimit": "3", "memoryLimit": "4Gi"}
    kube = _parameters("kgateway", "0.4", serviceType="NodePort", logLevel="warning", **sizes)["kube"]
    assert kube["service"]["type"] == "NodePort"
    envoy = kube["envoyContainer"]
    assert envoy["bootstrap"]["componentLogLevels"] == {"upstream": "warn", "http": "warn", "connection": "warn"}
    assert envoy["resources"] == {
        "requests": {"cpu": "1", "memory": "2Gi"},
        "limits": {"cpu": "3", "memory": "4Gi"},
    }
    loud = _parameters("kgateway", "0.4", logLevel="debug")["kube"]["envoyContainer"]["bootstrap"]
    assert loud["componentLogLevels"]["http"] == "debug"
    assert loud["logLevel"] == "warn"


@pytest.mark.parametrize(("provider", "release"), [("kgateway", "0.6"), ("agentgateway", "0.6")])
def test_every_setting_of_agentgateway_is_in_its_parameters(provider: str, release: str) -> None:
    sizes = {"cpu": "1", "memory": "2Gi", "cpuLimit": "3", "memoryLimit": "4Gi"}
    spec = _parameters(provider, release, serviceType="LoadBalancer", logLevel="error", **sizes)
    assert spec["service"]["spec"] == {"type": "LoadBalancer"}
    assert spec["logging"] == {"level": "error"}
    assert spec["resources"] == {
        "requests": {"cpu": "1", "memory": "2Gi"},
        "limits": {"cpu": "3", "memory": "4Gi"},
    }


@pytest.mark.parametrize("provider", SERVICES)
def test_the_port_forward_names_the_service_that_the_controller_makes(provider: str) -> None:
    outputs = ran({**AMD, "gateway": {"provider": provider}}).stack_outputs
    assert outputs["gatewayUrl"].endswith(f" port-forward service/{SERVICES[provider]} 8000:80")


def test_gke_has_a_class_for_the_internet_and_one_for_the_network_of_its_own() -> None:
    gateway = f"Gateway/{GATEWAY}"
    classes = {
        exposure: _objects("gke", "0.6", exposure=exposure)[gateway]["spec"]["gatewayClassName"]
        for exposure in ("external", "internal")
    }
    assert classes == {"external": "gke-l7-regional-external-managed", "internal": "gke-l7-rilb"}


def test_on_autopilot_the_collector_of_another_namespace_reads_the_token() -> None:
    objects = _objects("gke", "0.6", autopilot=True)
    binding = objects["RoleBinding/gke-gmp-system:collector:llm-d-pd-gaie-pd-metrics-reader-secret-read"]
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "collector", "namespace": "gke-gmp-system"}]


def test_a_token_that_a_controller_writes_stays_encrypted_in_the_state() -> None:
    recorder = ran({**AMD, "gateway": {"provider": "gke"}})
    secrets = [each for each in recorder.declared.values() if each.inputs.get("kind") == "Secret"]
    assert any(each.name == "model-gateway-metrics-token" for each in secrets)
    for each in secrets:
        assert {"data", "stringData"} <= {*each.request.additionalSecretOutputs}, each.name


def test_without_a_service_the_outputs_point_to_the_gateway() -> None:
    serving = {**AMD, "gateway": {"provider": "gke"}}
    outputs = ran(serving).stack_outputs
    assert outputs["gatewayUrl"] == f"kubectl --namespace llm-d-pd get gateway {GATEWAY}"
    assert outputs["request"].startswith("curl -sS http://ADDRESS-OF-THE-GATEWAY/v1/completions ")
    addressed = run_program(serving, recorder=WithAddress("192.0.2.7")).stack_outputs
    assert addressed["gatewayUrl"] == "http://192.0.2.7"
    assert addressed["request"].startswith("curl -sS http://192.0.2.7/v1/completions ")


@pytest.mark.parametrize(("provider", "release"), ABSENT)
def test_a_provider_that_a_release_does_not_have_is_refused_with_what_to_do(provider: str, release: str) -> None:
    found = problems(release=release, gateway={"provider": provider})
    assert "has that class since v1.4.0" in found["serving.gateway.provider"].wrong
    assert "serving.release: 0.6" in found["serving.gateway.provider"].change


def test_what_is_deprecated_is_said_with_what_to_write_instead() -> None:
    def warnings(provider: str, release: str) -> list[str]:
        messages = made({**AMD, "release": release, "gateway": {"provider": provider}}).notes
        return [message for message in messages if "deprecated" in message]

    assert len(warnings("kgateway", "0.6")) == 1
    assert "provider agentgateway" in warnings("kgateway", "0.6")[0]
    assert not warnings("kgateway", "0.4")
    assert not warnings("agentgateway", "0.6")


@pytest.mark.parametrize(
    ("settings", "seconds"),
    [
        ({}, 1600),
        ({"model": {"name": "m", "maxModelLen": 4000}}, 300),
        ({"gateway": {"provider": "gke", "requestTimeout": 60}}, 60),
    ],
)
def test_googles_load_balancer_gives_the_longest_answer_its_time(settings: dict[str, Any], seconds: int) -> None:
    objects = made({**AMD, "gateway": {"provider": "gke"}, **settings}).objects
    assert objects["GCPBackendPolicy/gaie-pd"]["spec"]["default"]["timeoutSec"] == seconds


def test_openshifts_certificate_may_be_lent_by_its_namespace() -> None:
    refs = [{"name": "certificate", "namespace": "openshift-ingress"}, {"name": "other", "namespace": "elsewhere"}]
    objects = _objects("data-science-gateway", "0.6", tls={"certificateRefs": refs})
    grant = objects[f"ReferenceGrant/llm-d-pd-{GATEWAY}-tls"]
    assert grant["metadata"]["namespace"] == "openshift-ingress"
    assert grant["spec"] == {
        "from": [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "namespace": "llm-d-pd"}],
        "to": [{"group": "", "kind": "Secret", "name": "certificate"}],
    }
    assert not [key for key in _objects("data-science-gateway", "0.6") if key.startswith("ReferenceGrant/")]


def test_a_service_that_may_be_public_by_a_fixed_type_is_warned_of() -> None:
    def warnings(release: str) -> list[str]:
        messages = made({**AMD, "release": release, "gateway": {"provider": "agentgateway"}}).notes
        return [message for message in messages if "of type LoadBalancer" in message]

    assert len(warnings("0.4")) == 1
    assert warnings("0.6") == []
