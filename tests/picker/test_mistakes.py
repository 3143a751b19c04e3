"""Mistakes in an EPP configuration: the program's rules refuse each of them, and the real EPP reacts as the table says.

The EPP takes most of them silently. Requests are then answered, and not disaggregated. Therefore the rules exist.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.plan.checks import routing
from components.plan.context import Context
from components.releases.picker_config import PickerConfig
from tests.picker import real
from tests.picker.wrong import MISTAKES, right, wrong
from tests.stack_file import problems, settings


@pytest.mark.parametrize("name", MISTAKES)
def test_the_real_picker_says_of_it_what_the_table_says(name: str, tmp_path: Path) -> None:
    release, document, _, picker = wrong(name)
    verdict = real.judge(release, yaml.safe_dump(document, sort_keys=False), tmp_path)
    said = "refuses" if not verdict.accepted else "remarks" if verdict.warnings else "silent"
    assert said == picker, verdict


@pytest.mark.parametrize(
    ("key", "value"), [("pluginz", []), ("kind", "EndpointPickerConf"), ("apiVersion", "llm-d.ai/v1alpha1")]
)
def test_a_wrong_head_cannot_be_written_down_at_all(key: str, value: Any, tmp_path: Path) -> None:
    document = {**right("0.6"), key: value}
    with pytest.raises(ValueError, match=key):
        PickerConfig.model_validate(document)
    assert not real.judge("0.6", yaml.safe_dump(document), tmp_path).accepted


@pytest.mark.parametrize("name", MISTAKES)
def test_a_release_that_would_render_it_is_refused_before_anything_is_touched(name: str) -> None:
    release, document, path, _ = wrong(name)
    context = Context.of(settings(release=release))
    broken = replace(context.release, picker_config=lambda uncached, preset: PickerConfig.model_validate(document))
    found = list(routing.check(replace(context, release=broken)))
    assert found
    assert {each.path for each in found} == {"serving.release"}
    assert any(path in each.wrong for each in found)
    assert not problems(release=release), "as it is, it is right"


def test_an_empty_file_cannot_be_written_down_and_the_picker_would_take_it(tmp_path: Path) -> None:
    """It would send requests to prefill and decode workers alike."""
    with pytest.raises(ValueError, match="plugins"):
        PickerConfig.model_validate({})
    assert real.judge("0.6", "", tmp_path).accepted
