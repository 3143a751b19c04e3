"""Selective P/D (D9), and what an EPP setting may touch (D13)."""

from typing import Any

import pytest
import yaml

from tests.program.wire import AMD, changed, default, ran
from tests.recorder import Recorder


def _config(recorder: Recorder) -> dict[str, Any]:
    document = yaml.safe_load(recorder.objects["ConfigMap/gaie-pd-epp"]["data"]["pd-config.yaml"])
    assert isinstance(document, dict)
    return document


def _plugins(recorder: Recorder) -> dict[str, Any]:
    return {each["type"]: each.get("parameters") for each in _config(recorder)["plugins"]}


def _profile(recorder: Recorder, role: str) -> dict[str, int | None]:
    [profile] = [each for each in _config(recorder)["schedulingProfiles"] if each["name"] == role]
    return {each["pluginRef"]: each.get("weight") for each in profile["plugins"]}


def test_a_threshold_of_release_0_4_needs_the_prefix_cache() -> None:
    recorder = ran({**AMD, "release": "0.4", "routing": {"selectivePd": {"threshold": 100}}})
    plugins = _plugins(recorder)
    assert plugins["pd-profile-handler"] == {"threshold": 100, "hashBlockSize": 64}
    assert plugins["prefix-cache-scorer"]["blockSize"] == 64, "handler and scorer must count in the same blocks"
    assert "prefix-cache-scorer" in _profile(recorder, "decode")


def test_uncached_tokens_of_release_0_6_have_a_decider() -> None:
    recorder = ran({**AMD, "routing": {"selectivePd": {"nonCachedTokens": 16}}})
    plugins = _plugins(recorder)
    assert plugins["prefix-based-pd-decider"] == {"nonCachedTokens": 16}
    assert plugins["disagg-profile-handler"] == {"deciders": {"prefill": "prefix-based-pd-decider"}}
    assert "always-disagg-pd-decider" not in plugins
    assert _config(recorder)["featureGates"] == ["prepareDataPlugins"]


def test_always_is_a_decider_of_its_own_since_0_6() -> None:
    plugins = _plugins(default())
    assert plugins["disagg-profile-handler"] == {"deciders": {"prefill": "always-disagg-pd-decider"}}
    assert "prefix-based-pd-decider" not in plugins


@pytest.mark.parametrize(
    "serving",
    [
        {},
        {"release": "0.4"},
        {"release": "0.4", "routing": {"selectivePd": {"threshold": 1}}},
        {"routing": {"selectivePd": {"nonCachedTokens": 1}}},
    ],
)
def test_every_plugin_that_is_referred_to_exists_before_it_is(serving: dict[str, Any]) -> None:
    recorder = ran({**AMD, **serving})
    names = list(_plugins(recorder))
    for role in ("prefill", "decode"):
        profile = _profile(recorder, role)
        assert profile.keys() <= set(names)
        assert f"{role}-filter" in profile
        assert "max-score-picker" in profile
    handler = _plugins(recorder).get("disagg-profile-handler")
    if handler:
        assert names.index(handler["deciders"]["prefill"]) < names.index("disagg-profile-handler")


PICKED = {"endpoint-picker-deployment", "endpoint-picker-config"}


@pytest.mark.parametrize(
    ("routing", "changes"),
    [
        ({"verbosity": 5}, {"endpoint-picker-deployment"}),
        ({"selectivePd": {"nonCachedTokens": 64}}, {*PICKED, "monitoring-alerts"}),
    ],
)
def test_a_setting_of_the_picker_rolls_the_picker_only(routing: dict[str, Any], changes: set[str]) -> None:
    assert changed(default(), ran({**AMD, "routing": routing})) == changes


def test_another_configuration_is_another_pod_and_another_flag_leaves_the_configuration() -> None:
    def annotation(recorder: Recorder) -> str:
        template = recorder.objects["Deployment/gaie-pd-epp"]["spec"]["template"]
        return str(template["metadata"]["annotations"]["llm-d.ai/config-sha256"])

    assert annotation(ran({**AMD, "routing": {"selectivePd": {"nonCachedTokens": 64}}})) != annotation(default())
    assert annotation(ran({**AMD, "routing": {"verbosity": 5}})) == annotation(default())


def test_placement_and_resources_of_the_picker() -> None:
    routing = {
        "nodeSelector": {"pool": "cpu"},
        "tolerations": [{"key": "dedicated", "operator": "Equal", "value": "router"}],
        "cpu": 2,
        "memoryLimit": "20Gi",
    }
    spec = ran({**AMD, "routing": routing}).objects["Deployment/gaie-pd-epp"]["spec"]["template"]["spec"]
    assert spec["nodeSelector"] == {"pool": "cpu"}
    assert spec["tolerations"] == [{"key": "dedicated", "operator": "Equal", "value": "router"}]
    assert spec["containers"][0]["resources"] == {
        "requests": {"cpu": "2", "memory": "8Gi"},
        "limits": {"memory": "20Gi"},
    }


def test_the_access_log_is_a_telemetry_object() -> None:
    objects = ran({**AMD, "gateway": {"accessLogging": True}}).objects
    telemetry = objects["Telemetry/infra-pd-inference-gateway-telemetry"]
    assert telemetry["apiVersion"] == "telemetry.istio.io/v1"
    assert telemetry["spec"] == {
        "targetRefs": [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "infra-pd-inference-gateway"}],
        "accessLogging": [{"providers": [{"name": "envoy"}]}],
    }
