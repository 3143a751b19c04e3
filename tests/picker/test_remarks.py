"""Remarks about configurations that the EPP accepts, and mistakes that it would refuse or that never disaggregate."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from components.config.vocabulary import ReleaseName
from components.releases import RELEASES
from components.releases.picker_config import PickerConfig
from components.releases.picker_remarks import remarks
from components.releases.picker_rules import REFUSED, mistakes
from tests.picker.wrong import edited, right

TYPED: dict[str, list[dict[str, Any]]] = yaml.safe_load(Path(__file__).with_name("remarks.yaml").read_text())


@pytest.mark.parametrize("heading", TYPED)
def test_remarks_and_mistakes(heading: str) -> None:
    for case in TYPED[heading]:
        dialect = RELEASES[ReleaseName(case["release"])].picker_dialect
        document = edited(right(case["release"]), case["edits"])
        config = PickerConfig.model_validate(document, by_alias=True, by_name=False)
        found = list(mistakes(config, dialect))
        assert [each.path for each in found if REFUSED in each.outcome] == case.get("refused", []), case
        assert [each.path for each in found if REFUSED not in each.outcome] == case.get("never", []), case
        for remark, beginning in zip(remarks(config, dialect), case.get("remarks", []), strict=True):
            assert remark.startswith(beginning), case


def test_a_section_is_read_strictly() -> None:
    with pytest.raises(ValueError, match="queueDepth"):
        PickerConfig.model_validate({**right("0.6"), "saturationDetector": {"queueDepth": 1}})
