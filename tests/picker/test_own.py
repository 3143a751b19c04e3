"""An EPP configuration of the user is checked by the same rules, with paths of problems, and passed on unchanged."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.plan import resolve
from tests.picker import real
from tests.picker.wrong import right
from tests.stack_file import problems, settings

AT = "serving.routing.config"


def _paths(config: Any, release: str = "0.6", **changes: Any) -> list[str]:
    return list(problems(release=release, routing__config=config, **changes))


@pytest.mark.parametrize("release", real.PICKERS)
def test_what_is_right_reaches_the_picker_unchanged(release: str, tmp_path: Path) -> None:
    document = {**right(release), "saturationDetector": {"queueDepthThreshold": 7}}
    assert not _paths(document, release)
    config = resolve(settings(release=release, routing__config=document)).picker.config
    assert yaml.safe_load(config) == document
    assert real.judge(release, config, tmp_path).accepted
    headless = {key: each for key, each in document.items() if key not in ("apiVersion", "kind")}
    assert not _paths(headless, release)
    assert real.judge(release, yaml.safe_dump(headless), tmp_path).accepted


def test_flow_control_is_the_newer_pickers(tmp_path: Path) -> None:
    document = {**right("0.6"), "flowControl": {"maxBytes": 1000}}
    document["featureGates"] = [*document["featureGates"], "flowControl"]
    assert not _paths(document)
    assert real.judge("0.6", yaml.safe_dump(document), tmp_path).accepted
    older = {**right("0.4"), "flowControl": {"maxBytes": 1000}}
    assert _paths(older, "0.4") == [f"{AT}.flowControl"]
    assert not real.judge("0.4", yaml.safe_dump(older), tmp_path).accepted


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("pluginz", []),
        ("plugins", {}),
        ("feature_gates", []),
        ("kind", "EndpointPickerConf"),
        ("apiVersion", "v1alpha1"),
    ],
)
def test_a_shape_that_the_epp_would_refuse_is_reported_before(key: str, value: Any, tmp_path: Path) -> None:
    """Python's names among them, which our own code may write."""
    document = {each: part for each, part in right("0.6").items() if (key, each) != ("feature_gates", "featureGates")}
    assert _paths({**document, key: value}) == [f"{AT}.{key}"]
    assert not real.judge("0.6", yaml.safe_dump({**document, key: value}), tmp_path).accepted


def test_all_problems_are_reported_at_once_with_their_paths() -> None:
    document = copy.deepcopy(right("0.6"))
    document["plugins"][0]["tipe"] = "x"
    document["schedulingProfiles"][1]["plugins"][2]["weight"] = "heavy"
    assert _paths(document) == [f"{AT}.plugins[0].tipe", f"{AT}.schedulingProfiles[1].plugins[2].weight"]


@pytest.mark.parametrize(
    ("key", "value"),
    [("preset", "guide"), ("preset", "load-aware"), ("selectivePd", "always"), ("selectivePd", {"nonCachedTokens": 9})],
)
def test_nothing_else_decides_beside_it(key: str, value: Any) -> None:
    assert _paths(right("0.6"), **{f"routing__{key}": value}) == [f"serving.routing.{key}"]


def test_the_picker_takes_the_settings_of_flow_control(tmp_path: Path) -> None:
    priorities = [
        {"name": "chat", "priority": 10, "fairness": "roundRobin", "ordering": "edf", "maxBytes": "1M"},
        {"name": "batch", "priority": -1},
    ]
    flow = {"maxBytes": "1Gi", "requestTtl": 30, "saturation": {"queueDepth": 2, "kvCache": 0.7}}
    plan = resolve(settings(release="0.6", routing__flowControl={**flow, "priorities": priorities}))
    verdict = real.judge("0.6", plan.picker.config, tmp_path)
    assert verdict.accepted, verdict
    broken = plan.picker.config.replace("edf-ordering-policy", "edf-policy")
    assert not real.judge("0.6", broken, tmp_path).accepted
