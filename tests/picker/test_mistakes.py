"""Mistakes in an EPP configuration: the program's rules refuse each of them, and the real EPP reacts as the table says.

The EPP takes most of them silently. Requests are then answered, and not disaggregated. Therefore the rules exist.
"""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from components.plan.checks import routing
from components.plan.context import Context
from components.releases.picker_config import PickerConfig
from tests.picker import real
from tests.picker.wrong import MISTAKES, wrong
from tests.stack_file import problems, settings


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_refused_and_the_real_picker_says_of_it_what_the_table_says(name: str, tmp_path: Path) -> None:
    release, document, path, picker = wrong(name)
    found = problems(release=release, routing__config=document)
    at = f"serving.routing.config.{path}"
    assert at in found, list(found)
    assert all([found[at].wrong, found[at].outcome, found[at].change])
    verdict = real.judge(release, yaml.safe_dump(document, sort_keys=False), tmp_path)
    assert ("refuses" if not verdict.accepted else "remarks" if verdict.warnings else "silent") == picker, verdict


def test_a_release_that_would_render_it_is_refused_before_anything_is_touched() -> None:
    release, document, path, _ = wrong("filters swapped")
    context = Context.of(settings(release=release))
    broken = replace(context.release, picker_config=lambda uncached, preset: PickerConfig.model_validate(document))
    found = list(routing.check(replace(context, release=broken)))
    assert {each.path for each in found} == {"serving.release"}
    assert any(path in each.wrong for each in found)
    assert not problems(release=release), "as it is, it is right"


def test_an_empty_file_cannot_be_written_down_and_the_picker_would_take_it(tmp_path: Path) -> None:
    """It would send requests to prefill and decode workers alike."""
    with pytest.raises(ValueError, match="plugins"):
        PickerConfig.model_validate({})
    assert real.judge("0.6", "", tmp_path).accepted
