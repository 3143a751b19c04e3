"""The tables of plugins, parameters and feature gates of each release, compared with the real EPP."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from components.config.vocabulary import Preset, ReleaseName
from components.releases import RELEASES
from components.releases.picker_config import EndpointPickerConfig, Plugin
from components.releases.picker_dialect import Job
from tests.picker import real

TYPED: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("dialect.yaml").read_text())
NOT_BUILT = {*TYPED["not built"]}

OTHERWISE: dict[Any, Any] = {int: "text", float: "text", bool: "text", str: 1, list: "text", dict: "text"}
"""A value of another type, for each type."""

TYPES = [(release, name) for release in real.PICKERS for name in RELEASES[ReleaseName(release)].picker_dialect.plugins]
PARAMETERS = [
    (release, name, key)
    for release, name in TYPES
    for key in RELEASES[ReleaseName(release)].picker_dialect.plugins[name].parameters
    if name not in NOT_BUILT
]


def _judge(release: str, plugin: Plugin, folder: Path, *gates: str) -> real.Verdict:
    """A right configuration with one plugin more, or in the place of one of its own."""
    config = RELEASES[ReleaseName(release)].picker_config(None, Preset.GUIDE)
    handler = _job(release, plugin.type) is Job.HANDLER
    others = [
        each
        for each in config.plugins
        if each.called != plugin.called and not (handler and _job(release, each.type) is Job.HANDLER)
    ]
    plugins = [*others, plugin] if handler else [plugin, *others]  # a decider stands before its handler
    changed = config.model_copy(update={"plugins": plugins, "feature_gates": list(gates) or None})
    return real.judge(release, text(changed), folder)


def _job(release: str, name: str) -> Job:
    return RELEASES[ReleaseName(release)].picker_dialect.plugins[name].job


def _unknown(verdict: real.Verdict) -> bool:
    """Whether a picker does not know a plugin or a gate, in the words of either version."""
    words = ("is not registered", "is not found in registry", "unregistered Feature Gate", "unknown or unregistered")
    return any(each in verdict.reason for each in words)


def text(config: EndpointPickerConfig) -> str:
    return yaml.safe_dump(config.document(), sort_keys=False)


@pytest.mark.parametrize(("release", "name"), TYPES, ids=str)
def test_a_plugin_of_the_table_is_one_of_the_picker(release: str, name: str, tmp_path: Path) -> None:
    verdict = _judge(release, Plugin(type=name), tmp_path)
    assert _unknown(verdict) == (name in NOT_BUILT), verdict
    refused = NOT_BUILT | {*TYPED["need parameters"], *TYPED["need a service"]}
    assert verdict.accepted or name in refused, verdict


@pytest.mark.parametrize(("release", "name", "key"), PARAMETERS, ids=str)
def test_a_parameter_of_the_table_is_one_that_the_picker_reads(
    release: str, name: str, key: str, tmp_path: Path
) -> None:
    """One of a wrong type is refused if it is read; any other word is ignored."""
    known = RELEASES[ReleaseName(release)].picker_dialect.plugins[name].parameters[key]
    otherwise = OTHERWISE[dict if isinstance(known, dict) else known]
    assert "cannot unmarshal" in _judge(release, Plugin(type=name, parameters={key: otherwise}), tmp_path).reason


@pytest.mark.parametrize("release", real.PICKERS)
def test_a_word_that_is_no_parameter_is_not_read(release: str, tmp_path: Path) -> None:
    assert _judge(release, Plugin(type="prefix-cache-scorer", parameters={"blockSizz": "text"}), tmp_path).accepted


@pytest.mark.parametrize("release", real.PICKERS)
def test_the_feature_gates_of_the_table_are_the_pickers(release: str, tmp_path: Path) -> None:
    gates = RELEASES[ReleaseName(release)].picker_dialect.gates
    for gate in ("dataLayer", "flowControl", "prepareDataPlugins", "enableLegacyMetrics"):
        verdict = _judge(release, Plugin(type="queue-scorer"), tmp_path, gate)
        assert _unknown(verdict) != (gate in gates), verdict
