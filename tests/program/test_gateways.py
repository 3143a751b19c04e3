"""Every gateway provider with every release: its objects, also beside an existing Gateway."""

from dataclasses import asdict
from hashlib import sha256
from itertools import product

import pytest

from components.config.vocabulary import Provider, ReleaseName
from tests.program.expected import EVERY_ACCELERATOR, Combination, layered
from tests.program.policies import violations
from tests.program.shape import differences
from tests.program.wire import AMD, HASH, TOKEN, comparable, made, ran
from tests.recorder import ROOT

GATEWAY = "infra-pd-inference-gateway"
ABSENT = [("data-science-gateway", "0.4")]
"""What the guide of that release does not have."""
CELLS = [(*each,) for each in product(map(str, Provider), map(str, ReleaseName)) if each not in ABSENT]
DRAIN = ROOT / "components" / "gateways" / "standalone" / "drain.sh"


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


def test_a_token_that_a_controller_writes_stays_encrypted_in_the_state() -> None:
    recorder = ran({**AMD, "gateway": {"provider": "gke"}})
    secrets = [each for each in recorder.declared.values() if each.inputs.get("kind") == "Secret"]
    assert any(each.name == "model-gateway-metrics-token" for each in secrets)
    for each in secrets:
        assert {"data", "stringData"} <= {*each.request.additionalSecretOutputs}, each.name


@pytest.mark.parametrize(
    ("provider", "release", "left"),
    [
        *((provider, release, set()) for provider in ("kgateway", "agentgateway") for release in ("0.4", "0.6")),
        *(("istio", release, {"DestinationRule/gaie-pd-epp"}) for release in ("0.4", "0.6")),
        ("gke", "0.6", {"HealthCheckPolicy/gaie-pd", "GCPBackendPolicy/gaie-pd", "PodMonitoring/gaie-pd"}),
    ],
)
def test_beside_an_existing_gateway_none_is_made_and_none_configured(
    provider: str, release: str, left: set[str]
) -> None:
    stack, existing = {**AMD, "release": release}, {"name": "shared", "namespace": "gateways"}
    own = made({**stack, "gateway": {"provider": provider}}).objects
    shared = made({**stack, "gateway": {"provider": provider, "existing": existing}}).objects
    gone = {key for key in own if key.endswith(f"/{GATEWAY}")} | {key for key in own if key.startswith("Telemetry/")}
    assert gone
    assert own.keys() - shared.keys() == gone
    assert left <= shared.keys()
    one, other = (each["HTTPRoute/llm-d-pd-disaggregation"]["spec"] for each in (own, shared))
    assert other["parentRefs"] == [{"group": "gateway.networking.k8s.io", "kind": "Gateway", **existing}]
    assert other["rules"] == one["rules"]
