"""How the gateway speaks to the picker: only a DestinationRule makes istio encrypt."""

import pytest

from sandbox.gateway.gateways import resolve
from sandbox.gateway.store import World
from sandbox.gateway.traffic import Tls, seconds
from tests.sandbox.gateway.objects import PICKER, changed, without, world


def spoken(content: World) -> Tls:
    return resolve(content).gateways[("models", "door")].clusters[PICKER].policy.tls


def test_the_rule_of_our_stack_encrypts_and_trusts_the_pickers_own_certificate() -> None:
    assert spoken(world()) is Tls.UNVERIFIED


def test_without_the_rule_istio_speaks_plain_text() -> None:
    assert spoken(without(world(), "DestinationRule", "picker")) is Tls.NONE


@pytest.mark.parametrize(
    ("path", "value", "tls"),
    [
        ("spec.host", "picker", Tls.UNVERIFIED),
        ("spec.host", "*.models.svc.cluster.local", Tls.UNVERIFIED),
        ("spec.host", "picker.other.svc.cluster.local", Tls.NONE),
        ("spec.host", "pickr", Tls.NONE),
        ("spec.trafficPolicy.tls.mode", "DISABLE", Tls.NONE),
        ("spec.trafficPolicy.tls.insecureSkipVerify", False, Tls.VERIFIED),
        ("spec.trafficPolicy.portLevelSettings", [{"port": {"number": 9002}, "tls": {"mode": "DISABLE"}}], Tls.NONE),
        ("spec.trafficPolicy.portLevelSettings", [{"port": {"number": 1}}], Tls.UNVERIFIED),
        ("spec.exportTo", ["."], Tls.UNVERIFIED),
    ],
)
def test_a_rule_says_how(path: str, value: object, tls: Tls) -> None:
    assert spoken(changed(world(), "DestinationRule", "picker", path, value)) is tls


def test_other_controllers_encrypt_without_being_told() -> None:
    content = without(world(), "DestinationRule", "picker")
    content = changed(content, "Gateway", "door", "spec.gatewayClassName", "kgateway")
    kgateway = {"metadata": {"name": "kgateway"}, "spec": {"controllerName": "kgateway.dev/kgateway"}}
    assert spoken({**content, "GatewayClass": {("", "kgateway"): kgateway}}) is Tls.UNVERIFIED


@pytest.mark.parametrize(("given", "envoys"), [("900s", "900s"), ("1m30s", "90s"), ("250ms", "0.25s"), ("1h", "3600s")])
def test_durations_are_written_as_envoy_reads_them(given: str, envoys: str) -> None:
    assert seconds(given) == envoys
