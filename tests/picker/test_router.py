"""Configurations in the schema of llm-d-router (releases 0.9 and 0.10). The tests do not have these EPPs.

Sources of the expected words: llm-d/llm-d-router v0.10.0, cmd/epp/runner/runner.go and pkg/epp/config/loader. What
v0.11 removed: llm-d/llm-d-router#2509, #2815, #2844, #2865, #2869.
"""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.config.vocabulary import Preset, ReleaseName
from components.releases import RELEASES
from tests.picker.test_published import word
from tests.stack_file import problems

RELEASES_HERE = ("0.9", "0.10")
PUBLISHED: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "published-router.yaml").read_text())
CASES = [(release, number) for release in RELEASES_HERE for number in range(len(PUBLISHED))]


@pytest.mark.parametrize(("release", "number"), CASES)
def test_our_rules_say_of_a_published_configuration_what_the_file_says(release: str, number: int) -> None:
    assert word(release, PUBLISHED[number]["config"]) == PUBLISHED[number][release], PUBLISHED[number]["source"]


def test_the_published_configurations_are_many_and_no_two_are_alike() -> None:
    assert len({json.dumps(each["config"]) for each in PUBLISHED}) == len(PUBLISHED)
    assert sum(each["0.9"] in ("accepted", "noted") for each in PUBLISHED) >= 15


@pytest.mark.parametrize("release", RELEASES_HERE)
@pytest.mark.parametrize("uncached", [None, 16])
@pytest.mark.parametrize("preset", Preset)
def test_what_a_release_renders_has_no_mistake_and_no_remark(
    release: str, uncached: int | None, preset: Preset
) -> None:
    document = RELEASES[ReleaseName(release)].picker_config(uncached, preset).document()
    assert word(release, document) == "accepted"


def _right(**more: Any) -> dict[str, Any]:
    return {**RELEASES[ReleaseName.V0_9].picker_config(16, Preset.GUIDE).document(), **more}


def _added(*plugins: dict[str, Any], **more: Any) -> dict[str, Any]:
    document = copy.deepcopy(_right(**more))
    document["plugins"] += plugins
    return document


def _handled(**parameters: Any) -> dict[str, Any]:
    document = copy.deepcopy(_right())
    document["plugins"][1]["parameters"] = parameters
    return document


DETECTOR = {"saturationDetector": {"pluginRef": "concurrency-detector"}}
MISTAKES = [
    ("0.9", _added({"type": "topology-affinity-filter"}), "plugins[10].type", "is an Alpha plugin"),
    ("0.10", _added({"type": "by-label"}), "plugins[10].type", "label-selector-filter (removed in v0.11)"),
    ("0.10", _added({"type": "tokenizer"}), "plugins[10].type", "token-producer (removed in v0.11)"),
    ("0.10", _added({"type": "precise-prefix-cache-scorer"}), "plugins[10].type", "precise-prefix-cache-producer and"),
    ("0.10", _added({"type": "prefill-header-handler"}), "plugins[10].type", "writes the headers itself"),
    ("0.10", _handled(deciderPluginName="prefix-based-pd-decider"), "plugins[1].parameters.deciderPluginName", "is no"),
    (
        "0.9",
        _added({"type": "prefix-cache-scorer", "parameters": {"autoTune": False}}),
        "plugins[10].parameters.autoTune",
        "since v0.9 it is one of approx-prefix-cache-producer",
    ),
    ("0.9", _right(featureGates=["prepareDataPlugins"]), "featureGates[0]", "is no gate"),
    ("0.9", _right(featureGates=["flowControl=maybe"]), "featureGates[0]", "is neither true nor false"),
    (
        "0.9",
        _right(flowControl=DETECTOR),
        "flowControl.saturationDetector.pluginRef",
        "refers to no saturation detector",
    ),
    (
        "0.9",
        _handled(stageOrder="prefill-first", deciders={"prefill": "prefix-based-pd-decider"}),
        "plugins[1].parameters.deciders.prefill",
        "goes with stageOrder: decode-first only",
    ),
    ("0.9", _handled(deciders={"prefill": "queue-scorer"}), "plugins[1].parameters.deciders.prefill", "is no decider"),
    ("0.9", _right(data={"sources": []}), "data", "did you mean dataLayer"),
    ("0.6", {**_right()}, "apiVersion", "llm-d.ai/v1alpha1"),
]


@pytest.mark.parametrize(("release", "document", "path", "words"), MISTAKES)
def test_a_mistake_is_refused_in_its_own_words(release: str, document: dict[str, Any], path: str, words: str) -> None:
    found = problems(release=release, routing__config=document)
    at = f"serving.routing.config.{path}"
    assert at in found, list(found)
    assert words in f"{found[at].value} {found[at].wrong}"


RIGHT = [
    ("0.9", _right(featureGates=["haPopulateNonLeaderDatastore=false"])),
    ("0.9", _right(flowControl={"saturationDetector": {"pluginRef": "utilization-detector"}})),
    ("0.9", _added({"type": "concurrency-detector", "parameters": {"maxConcurrency": 8}}, flowControl=DETECTOR)),
    ("0.9", _added({"type": "queue-scorer", "parameters": {"hashBlockSize": 5}})),  # it reads no parameters
    ("0.9", _handled(stageOrder="prefill-first")),
    ("0.9", {**_right(), "plugins": list(reversed(_right()["plugins"]))}),  # the EPP orders them
]


@pytest.mark.parametrize(("release", "document"), RIGHT)
def test_what_works_is_not_refused(release: str, document: dict[str, Any]) -> None:
    assert not problems(release=release, routing__config=document)


def test_alpha_plugins_are_taken_where_the_setting_lets_them() -> None:
    document = _added({"type": "topology-affinity-filter", "parameters": {"anything": 1}})
    assert not problems(release="0.9", routing={"config": document, "experimentalPlugins": True})
