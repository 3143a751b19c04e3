"""What a release decides: images, flags, and the EPP's configuration, typed by hand from llm-d-inference-scheduler."""

from typing import Any

import pytest
import yaml

from components.plan import resolve
from tests.stack_file import settings

HEAD = {"apiVersion": "inference.networking.x-k8s.io/v1alpha1", "kind": "EndpointPickerConfig"}

ALWAYS_0_4 = """
plugins:
- {type: prefill-header-handler}
- {type: prefill-filter}
- {type: decode-filter}
- {type: queue-scorer}
- {type: max-score-picker}
- {type: pd-profile-handler, parameters: {threshold: 0, hashBlockSize: 5}}
schedulingProfiles:
- name: prefill
  plugins: [{pluginRef: prefill-filter}, {pluginRef: queue-scorer, weight: 1}, {pluginRef: max-score-picker}]
- name: decode
  plugins: [{pluginRef: decode-filter}, {pluginRef: queue-scorer, weight: 1}, {pluginRef: max-score-picker}]
"""

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

ALWAYS_0_6 = (
    """
featureGates: [prepareDataPlugins]
plugins:
- {type: disagg-headers-handler}
- {type: prefill-filter}
- {type: decode-filter}
- {type: prefix-cache-scorer, parameters: {maxPrefixBlocksToMatch: 256, lruCapacityPerServer: 31250}}
- {type: queue-scorer}
- {type: max-score-picker}
- {type: always-disagg-pd-decider}
- {type: disagg-profile-handler, parameters: {deciders: {prefill: always-disagg-pd-decider}}}
"""
    + PROFILES_0_6
)

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


@pytest.mark.parametrize(
    ("release", "selective", "expected"),
    [
        ("0.4", "always", ALWAYS_0_4),
        ("0.4", {"threshold": 200}, SELECTIVE_0_4),
        ("0.6", "always", ALWAYS_0_6),
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


def test_a_release_moves_all_pins_and_dialects_together() -> None:
    old, new = resolve(settings(release="0.4")), resolve(settings(release="0.6"))
    assert old.picker.image.name == "ghcr.io/llm-d/llm-d-inference-scheduler:v0.4.0"
    assert new.picker.image.name == "ghcr.io/llm-d/llm-d-inference-scheduler:v0.7.1"
    assert old.decode.sidecar.image.name == "ghcr.io/llm-d/llm-d-routing-sidecar:v0.4.0"
    assert new.decode.sidecar.image.name == "ghcr.io/llm-d/llm-d-routing-sidecar:v0.7.1"
    assert (old.decode.sidecar.connector_flag, new.decode.sidecar.connector_flag) == ("--connector", "--kv-connector")
    metric = "--kv-cache-usage-percentage-metric"
    assert old.picker.flags[metric] == "vllm:kv_cache_usage_perc"
    assert metric not in new.picker.flags, "a fatal error since v0.7"
    assert (old.pool.failure_mode, new.pool.failure_mode) == ("FailClose", "FailOpen")


@pytest.mark.parametrize(
    ("accelerator", "release", "image"),
    [
        ("amd", "0.6", "ghcr.io/llm-d/llm-d-rocm:v0.6.0"),
        ("amd", "0.4", "ghcr.io/vcave/llm-d/llm-d-rocm:v0.4.5-debug"),
        ("nvidia", "0.6", "ghcr.io/llm-d/llm-d-cuda:v0.6.0"),
        ("nvidia", "0.4", "ghcr.io/llm-d/llm-d-cuda:v0.4.0"),
    ],
)
def test_the_vllm_image_follows_accelerator_and_release(accelerator: str, release: str, image: str) -> None:
    plan = resolve(settings(accelerator=accelerator, release=release))
    assert plan.prefill.worker.image.name == plan.decode.worker.image.name == image
    assert bool(plan.notes) == (image.endswith("-debug")), "a debug build of a fork is worth a warning"
