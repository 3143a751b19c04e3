"""Remarks about configurations that the EPP accepts: each has its path and its text."""

import copy
from typing import Any

import pytest

from components.config.vocabulary import ReleaseName
from components.releases import RELEASES
from components.releases.picker_config import PickerConfig
from components.releases.picker_remarks import remarks
from components.releases.picker_rules import REFUSED, mistakes
from tests.picker.wrong import NEW, OLD, Document, right


def _judged(release: str, document: Document) -> tuple[list[str], list[str], list[str]]:
    """Remarks, paths of what the picker would refuse, and paths of what would never disaggregate."""
    dialect = RELEASES[ReleaseName(release)].picker_dialect
    config = PickerConfig.model_validate(document, by_alias=True, by_name=False)
    found = list(mistakes(config, dialect))
    refused = [each.path for each in found if REFUSED in each.outcome]
    return list(remarks(config, dialect)), refused, [each.path for each in found if REFUSED not in each.outcome]


def _with(release: str, name: str, **parameters: Any) -> Document:
    """A right configuration in which one plugin has other parameters."""
    document = copy.deepcopy(right(release))
    [plugin] = [each for each in document["plugins"] if each["type"] == name]
    plugin["parameters"] = parameters
    return document


def test_what_a_release_renders_has_no_remark() -> None:
    assert [_judged(release, right(release)) for release in (OLD, NEW)] == [([], [], [])] * 2


def test_older_parameters_are_deprecated_and_cannot_be_mixed() -> None:
    flat = _with(NEW, "disagg-profile-handler", deciderPluginName="prefix-based-pd-decider")
    assert _judged(NEW, flat)[0] == ["plugins[7].parameters.deciderPluginName is deprecated; write deciders.prefill"]
    decider = "prefix-based-pd-decider"
    mixed = _with(NEW, "disagg-profile-handler", deciderPluginName=decider, deciders={"prefill": decider})
    assert _judged(NEW, mixed)[1] == ["plugins[7].parameters.deciderPluginName"]


def test_parameters_of_another_version_are_ignored() -> None:
    ignored = _with(NEW, "prefix-cache-scorer", blockSizeTokens=16, hashBlockSize=5)
    [remark] = _judged(NEW, ignored)[0]
    assert remark.startswith("plugins[3].parameters.hashBlockSize is no parameter of prefix-cache-scorer")


def test_blocks_of_different_sizes_make_cached_prompts_look_new() -> None:
    apart = _with(OLD, "prefix-cache-scorer", autoTune=False, blockSize=32)
    [remark] = _judged(OLD, apart)[0]
    assert remark.startswith("plugins[6].parameters.hashBlockSize must be equal to blockSize of prefix-cache-scorer")


def test_profiles_may_have_names_that_the_handler_and_the_headers_know() -> None:
    decider = {"deciders": {"prefill": "prefix-based-pd-decider"}}
    renamed = _with(NEW, "disagg-profile-handler", **decider, profiles={"prefill": "p", "decode": "d"})
    for profile, name in zip(renamed["schedulingProfiles"], ("p", "d"), strict=True):
        profile["name"] = name
    assert _judged(NEW, renamed)[2] == ["plugins[0].parameters.prefillProfile"]
    renamed["plugins"][0]["parameters"] = {"prefillProfile": "p"}
    assert _judged(NEW, renamed) == ([], [], [])


def test_a_further_profile_is_unused_or_ends_in_a_circle() -> None:
    further = copy.deepcopy(right(NEW))
    further["schedulingProfiles"].append({"name": "encode", "plugins": [{"pluginRef": "max-score-picker"}]})
    assert _judged(NEW, further)[0] == ["schedulingProfiles[2] encode has no workers in this stack"]
    older = copy.deepcopy(right(OLD))
    older["schedulingProfiles"].append({"name": "encode", "plugins": [{"pluginRef": "max-score-picker"}]})
    assert _judged(OLD, older)[2] == ["schedulingProfiles[2].name"]


ROLE = "llm-d.ai/role"


@pytest.mark.parametrize(
    ("plugin", "refused"),
    [
        ({"type": "by-label", "parameters": {"label": ROLE, "validValues": ["decode", "both"]}}, False),
        ({"type": "by-label", "parameters": {"label": "team", "validValues": ["a"]}}, False),
        ({"type": "by-label", "parameters": {"label": ROLE, "validValues": ["prefill"]}}, True),
        ({"type": "by-label", "parameters": {"label": ROLE, "validValues": ["prefill", "decode"]}}, True),
        ({"type": "by-label-selector", "parameters": {"matchLabels": {ROLE: "decode"}}}, False),
        ({"type": "by-label-selector", "parameters": {"matchLabels": {ROLE: "decode", "team": "a"}}}, False),
        ({"type": "by-label-selector", "parameters": {"matchLabels": {ROLE: "prefill", "team": "a"}}}, True),
        (
            {
                "type": "by-label-selector",
                "parameters": {"matchExpressions": [{"key": ROLE, "operator": "NotIn", "values": ["prefill"]}]},
            },
            False,
        ),
        ({"type": "header-based-testing-filter"}, False),
        ({"type": "encode-filter"}, True),
        ({"type": "queue-scorer"}, True),
    ],
)
def test_any_filter_that_tells_the_roles_apart_will_do(plugin: dict[str, Any], refused: bool) -> None:
    document = copy.deepcopy(right(NEW))
    document["plugins"].insert(0, {**plugin, "name": "mine"})
    document["schedulingProfiles"][1]["plugins"][0]["pluginRef"] = "mine"
    assert _judged(NEW, document)[2] == (["schedulingProfiles[1].plugins"] if refused else [])


def test_sections_are_read_as_strictly_as_the_picker_reads_them() -> None:
    document = {**right(NEW), "data": {"sources": [{"pluginRef": "queue-scorer"}]}}
    assert _judged(NEW, document)[1] == ["data.sources[0].pluginRef"]
    gated = {**right(NEW), "featureGates": ["prepareDataPlugins", "dataLayer"]}
    assert _judged(NEW, gated)[1] == ["data"]
    bands = {"priorityBands": [{"priority": 1, "fairnessPolicyRef": "global-strict-fairness-policy"}]}
    flow = {**right(NEW), "featureGates": ["prepareDataPlugins", "flowControl"], "flowControl": bands}
    assert _judged(NEW, flow) == ([], [], [])
    flow["flowControl"] = {"defaultPriorityBand": {"orderingPolicyRef": "queue-scorer"}}
    assert _judged(NEW, flow)[1] == ["flowControl.defaultPriorityBand.orderingPolicyRef"]
    with pytest.raises(ValueError, match="queueDepth"):
        PickerConfig.model_validate({**right(NEW), "saturationDetector": {"queueDepth": 1}})


def test_the_precise_cache_counts_with_speculative_indexing() -> None:
    document = copy.deepcopy(right(NEW))
    index = {"tokenizersPoolConfig": {"modelName": "m", "uds": {"useTCP": True}}}
    document["plugins"][3] = {"type": "precise-prefix-cache-scorer", "parameters": {"indexerConfig": index}}
    for profile in document["schedulingProfiles"]:
        profile["plugins"][1]["pluginRef"] = "precise-prefix-cache-scorer"
    assert _judged(NEW, document)[2] == ["plugins[6].parameters.nonCachedTokens"]
    document["plugins"][3]["parameters"]["speculativeIndexing"] = True
    assert _judged(NEW, document) == ([], [], [])
