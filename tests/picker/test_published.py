"""Published EPP configurations: the program's rules and the real EPP of each release agree about each of them."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from components.config.vocabulary import ReleaseName
from components.releases import RELEASES
from components.releases.picker_remarks import remarks
from components.releases.picker_rules import REFUSED, mistakes
from tests.picker import real
from tests.picker.test_dialect import NOT_BUILT

PUBLISHED: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "published.yaml").read_text())
ROUTER: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "published-router.yaml").read_text())
"""In the schema of llm-d-router (releases 0.9 and 0.10); the tests do not have these EPPs."""
LIKE: dict[str, str] = yaml.safe_load((Path(__file__).parent / "dialect.yaml").read_text())["like"]
CASES = [(release, number) for release in real.PICKERS for number in range(len(PUBLISHED))]


def word(release: str, document: dict[str, Any]) -> str:
    """What our rules make of a configuration, as the file calls it."""
    entry = RELEASES[ReleaseName(release)]
    try:
        config = entry.picker_shape.model_validate(document, by_alias=True, by_name=False)
    except ValidationError:
        return "refused"
    outcomes = [each.outcome for each in mistakes(config, entry.picker_dialect)]
    if outcomes:
        return "refused" if any(REFUSED in each for each in outcomes) else "never"
    return "noted" if list(remarks(config, entry.picker_dialect)) else "accepted"


def _for_the_picker_here(release: str, document: dict[str, Any]) -> dict[str, Any]:
    """The configuration with plugins that the picker of the tests lacks replaced by others that do the same job."""
    plugins = RELEASES[ReleaseName(release)].picker_dialect.plugins
    changed = copy.deepcopy(document)
    for plugin in changed["plugins"]:
        if plugin.get("type") in NOT_BUILT and plugin["type"] in plugins:
            plugin.setdefault("name", plugin["type"])
            plugin.pop("parameters", None)
            plugin["type"] = LIKE[plugins[plugin["type"]].job.name.lower()]
    return changed


@pytest.mark.parametrize("said", [*PUBLISHED, *ROUTER], ids=[each["source"] for each in (*PUBLISHED, *ROUTER)])
def test_our_rules_say_what_the_file_says(said: dict[str, Any]) -> None:
    releases = said.keys() & {*ReleaseName}
    assert releases
    for release in releases:
        assert word(release, said["config"]) == said[release]


@pytest.mark.parametrize(("release", "number"), CASES)
def test_the_real_picker_refuses_what_the_file_says_and_nothing_else(release: str, number: int, tmp_path: Path) -> None:
    """A plugin that the picker here lacks is judged by our rules alone."""
    document = PUBLISHED[number]["config"]
    replaced = _for_the_picker_here(release, document)
    verdict = real.judge(release, yaml.safe_dump(replaced, sort_keys=False), tmp_path)
    assert verdict.accepted == (word(release, replaced) != "refused"), (PUBLISHED[number]["source"], verdict)
    if replaced == document:
        assert verdict.accepted == (PUBLISHED[number][release] != "refused"), verdict
