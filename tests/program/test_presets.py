"""Presets, standby pickers and tracing: objects as typed by hand."""

from typing import Any

import pytest

from tests.program.expected import layered
from tests.program.shape import differences
from tests.program.wire import AMD, Made, comparable, made

PRESETS = ("guide", "prefix-cache-aware", "load-aware")
COLLECTOR = {"endpoint": "http://otel:4317", "sampling": 0.25}


def _as_typed(stack: Made, **switches: Any) -> dict[str, tuple[Any, Any]]:
    """What differs from the layers of picker.yaml for these switches."""
    want = layered(("picker",), {"monitoring": True, **switches})
    return differences(want, comparable({key: each for key, each in stack.objects.items() if key in want}))


@pytest.mark.parametrize("release", ["0.4", "0.6"])
@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_is_the_configuration_that_was_typed_for_its_release(preset: str, release: str) -> None:
    stack = made({**AMD, "release": release, "routing": {"preset": preset}})
    assert _as_typed(stack, release=release, preset=preset) == {}


@pytest.mark.parametrize("release", ["0.4", "0.6"])
def test_several_pickers_elect_a_leader(release: str) -> None:
    stack = made({**AMD, "release": release, "routing": {"replicas": 2}})
    assert _as_typed(stack, release=release, replicas=2) == {}


def test_the_picker_sends_its_spans_to_the_collector() -> None:
    assert _as_typed(made({**AMD, "release": "0.6", "tracing": COLLECTOR}), release="0.6", tracing=True) == {}
