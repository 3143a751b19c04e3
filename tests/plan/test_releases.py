"""What a release decides: images, flags, and the EPP's configuration, typed by hand from llm-d-inference-scheduler."""

from typing import Any

import pytest
import yaml

from components.config.vocabulary import ReleaseName
from components.plan import resolve
from tests.stack_file import problems, settings

HEAD = {"apiVersion": "inference.networking.x-k8s.io/v1alpha1", "kind": "EndpointPickerConfig"}

SELECTIVE_0_4 = """
plugins:
- {type: prefill-header-handler}
- {type: prefill-filter}
- {type: decode-filter}
- type: prefix-cache-scorer
  parameters: {autoTune: false, blockSize: 64, maxPrefixBlocksToMatch: 8192, lruCapacityPerServer: 31250}
- {type: queue-scorer}
- {type: max-score-picker}
- {type: pd-profile-handler, parameters: {threshold: 200, hashBlockSize: 64}}
schedulingProfiles:
- name: prefill
  plugins:
  - {pluginRef: prefill-filter}
  - {pluginRef: prefix-cache-scorer, weight: 2}
  - {pluginRef: queue-scorer, weight: 1}
  - {pluginRef: max-score-picker}
- name: decode
  plugins:
  - {pluginRef: decode-filter}
  - {pluginRef: prefix-cache-scorer, weight: 2}
  - {pluginRef: queue-scorer, weight: 1}
  - {pluginRef: max-score-picker}
"""

PROFILES_0_6 = SELECTIVE_0_4[SELECTIVE_0_4.index("schedulingProfiles") :]

SELECTIVE_0_6 = (
    """
featureGates: [prepareDataPlugins]
plugins:
- {type: disagg-headers-handler}
- {type: prefill-filter}
- {type: decode-filter}
- type: prefix-cache-scorer
  parameters: {autoTune: false, blockSizeTokens: 16, maxPrefixBlocksToMatch: 8192, lruCapacityPerServer: 31250}
- {type: queue-scorer}
- {type: max-score-picker}
- {type: prefix-based-pd-decider, parameters: {nonCachedTokens: 48}}
- {type: disagg-profile-handler, parameters: {deciders: {prefill: prefix-based-pd-decider}}}
"""
    + PROFILES_0_6
)


SELECTIVE_0_9 = """
plugins:
- {type: prefix-based-pd-decider, parameters: {nonCachedTokens: 48}}
- {type: disagg-profile-handler, parameters: {deciders: {prefill: prefix-based-pd-decider}}}
- {type: prefill-filter}
- {type: decode-filter}
- type: approx-prefix-cache-producer
  parameters: {autoTune: false, blockSizeTokens: 64, maxPrefixTokensToMatch: 131072}
- {type: inflight-load-producer}
- {type: prefix-cache-affinity-filter}
- {type: token-load-scorer}
- {type: active-request-scorer}
- {type: max-score-picker}
schedulingProfiles:
- name: prefill
  plugins:
  - {pluginRef: prefill-filter}
  - {pluginRef: prefix-cache-affinity-filter}
  - {pluginRef: token-load-scorer}
  - {pluginRef: max-score-picker}
- name: decode
  plugins: [{pluginRef: decode-filter}, {pluginRef: active-request-scorer}, {pluginRef: max-score-picker}]
"""
"""llm-d/llm-d-router v0.10.0, …/profilehandler/disagg/prefix_based_pd_decider.go reads the default prefix producer."""


@pytest.mark.parametrize("release", ["0.9", "0.10"])
def test_selective_prefill_in_the_configuration_of_llm_d_router(release: str) -> None:
    plan = resolve(settings(release=release, routing__selectivePd={"nonCachedTokens": 48}))
    head = {"apiVersion": "llm-d.ai/v1alpha1", "kind": "EndpointPickerConfig"}
    assert yaml.safe_load(plan.picker.config) == {**head, **yaml.safe_load(SELECTIVE_0_9)}


def test_settings_for_parts_that_only_newer_pickers_have() -> None:
    plan = resolve(settings(release="0.9", routing={"peakPrefillThroughput": 5000, "experimentalPlugins": True}))
    plugins = {each["type"]: each.get("parameters") for each in yaml.safe_load(plan.picker.config)["plugins"]}
    assert plugins["prefix-cache-affinity-filter"] == {"peakPrefillThroughput": 5000}
    assert plan.picker.flags["--allow-experimental-plugins"] == "true"
    older = problems(release="0.6", routing={"peakPrefillThroughput": 5000, "experimentalPlugins": True})
    assert list(older) == ["serving.routing.experimentalPlugins", "serving.routing.peakPrefillThroughput"]
    assert list(problems(release="0.9", routing={"peakPrefillThroughput": 1, "preset": "load-aware"}))


def test_releases_are_ordered_by_their_numbers() -> None:
    words = [ReleaseName(each) for each in ("0.6", "0.10", "0.4", "0.9")]
    assert [each.value for each in sorted(words)] == ["0.4", "0.6", "0.9", "0.10"]
    assert max(words) == "0.10"
    assert ReleaseName.V0_10 >= ReleaseName.V0_9 > ReleaseName.V0_6
    assert ReleaseName.V0_9 <= ReleaseName.V0_10


@pytest.mark.parametrize(
    ("image", "roles"),
    [
        (None, ["kv_producer", "kv_consumer"]),
        ("docker.io/vllm/vllm-openai:v0.22.1", ["kv_both", "kv_both"]),
        ("vllm/vllm-openai-rocm:v0.23.0", ["kv_producer", "kv_consumer"]),
        ("ghcr.io/llm-d/llm-d-cuda:v0.6.0", ["kv_both", "kv_both"]),
        ("registry.example/llm-d/llm-d-rocm:v0.8.1", ["kv_producer", "kv_consumer"]),
        ("registry.example/mine:1", ["kv_producer", "kv_consumer"]),
    ],
)
def test_a_workers_role_is_that_of_its_vllm(image: str | None, roles: list[str]) -> None:
    own = {"prefill__image": image, "decode__image": image} if image else {}
    plan = resolve(settings(release="0.9", **own))
    assert [each.worker.kv_transfer["kv_role"] for each in (plan.prefill, plan.decode)] == roles


@pytest.mark.parametrize(
    ("release", "selective", "expected"),
    [
        ("0.4", {"threshold": 200}, SELECTIVE_0_4),
        ("0.6", {"nonCachedTokens": 48}, SELECTIVE_0_6),
    ],
    ids=str,
)
def test_the_pickers_configuration_is_the_one_its_release_understands(
    release: str, selective: Any, expected: str
) -> None:
    plan = resolve(settings(release=release, routing__selectivePd=selective))
    config = yaml.safe_load(plan.picker.config)
    assert config == {**HEAD, **yaml.safe_load(expected)}
    assert list(config)[:2] == ["apiVersion", "kind"]


@pytest.mark.parametrize("release", ["0.4", "0.6"])
def test_weights_are_whole_numbers(release: str) -> None:
    """Older pickers refuse a fraction, and YAML would write 1.0."""
    assert "weight: 1\n" in resolve(settings(release=release)).picker.config
