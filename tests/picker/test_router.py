"""Configurations in the schema of llm-d-router (releases 0.9 and 0.10). The tests do not have these EPPs.

Sources of the expected words: llm-d/llm-d-router v0.10.0, cmd/epp/runner/runner.go and pkg/epp/config/loader. What
v0.11 removed: llm-d/llm-d-router#2509, #2815, #2844, #2865, #2869.
"""

from pathlib import Path
from typing import Any

import pytest
import yaml

from components.config.vocabulary import Preset, ReleaseName
from components.releases import RELEASES
from tests.picker.test_published import word
from tests.picker.wrong import edited
from tests.stack_file import problems

RELEASES_HERE = ("0.9", "0.10")


@pytest.mark.parametrize("release", RELEASES_HERE)
@pytest.mark.parametrize("uncached", [None, 16])
@pytest.mark.parametrize("preset", Preset)
def test_what_a_release_renders_has_no_mistake_and_no_remark(
    release: str, uncached: int | None, preset: Preset
) -> None:
    document = RELEASES[ReleaseName(release)].picker_config(uncached, preset).document()
    assert word(release, document) == "accepted"


TYPED: dict[str, Any] = yaml.safe_load((Path(__file__).parent / "router.yaml").read_text())
RIGHT = RELEASES[ReleaseName.V0_9].picker_config(16, Preset.GUIDE).document()


@pytest.mark.parametrize(("release", "edits", "path", "words"), TYPED["refused"])
def test_a_mistake_is_refused_in_its_own_words(release: str, edits: dict[str, Any], path: str, words: str) -> None:
    found = problems(release=release, routing__config=edited(RIGHT, edits))
    at = f"serving.routing.config.{path}"
    assert at in found, list(found)
    assert words in f"{found[at].value} {found[at].wrong}"


@pytest.mark.parametrize(("release", "edits"), TYPED["accepted"])
def test_what_works_is_not_refused(release: str, edits: dict[str, Any]) -> None:
    assert not problems(release=release, routing__config=edited(RIGHT, edits))


def test_alpha_plugins_are_taken_where_the_setting_lets_them() -> None:
    plugin = {"type": "topology-affinity-filter", "parameters": {"anything": 1}}
    document = edited(RIGHT, {"append": {"plugins": [plugin]}})
    assert not problems(release="0.9", routing={"config": document, "experimentalPlugins": True})
