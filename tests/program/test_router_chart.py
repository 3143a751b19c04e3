"""docs/releases.md lists every difference of the EPP of release 0.9 from upstream's chart, and no other."""

from pathlib import Path

import yaml

from tests.program.differing import KEYS, Found, found, holds, lines, unsaid
from tests.program.shape import normal
from tests.program.wire import AMD, ran
from tests.recorder import ROOT

CHART = Path(__file__).parents[1] / "expected" / "chart-0.9.yaml"
STACK = "0.9"
TABLE = lines("### The EPP, by field", ROOT / "docs" / "releases.md")


def _differences() -> Found:
    chart = {f"{each['kind']}/{each['metadata']['name']}": each for each in yaml.safe_load(CHART.read_text())}
    objects = ran({**AMD, "release": STACK, "monitoring": {"enabled": False}}).objects
    return found(normal(chart, KEYS), {name: objects[name] for name in chart})


def test_every_difference_has_exactly_one_line() -> None:
    assert unsaid(TABLE, STACK, _differences()) == []


def test_every_line_is_a_difference_with_these_values() -> None:
    for line in TABLE:
        holds(line, _differences())
