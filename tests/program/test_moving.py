"""What another release changes on a stack, by resource: docs/releases.md, "Moving to another release"."""

from typing import Any

import pytest

from tests.program.wire import AMD, changed, ran

MOVED = {
    "prefill-deployment",
    "decode-deployment",
    "endpoint-picker-deployment",
    "endpoint-picker-config",
    "endpoint-picker-role",
    "endpoint-picker-service",
    "monitoring-dashboard-serving",
    "monitoring-dashboard-disaggregation",
    "monitoring-alerts",
}


def _moved(before: str, after: str, **more: Any) -> set[str]:
    return set(changed(ran({**AMD, **more, "release": before}), ran({**AMD, **more, "release": after})))


@pytest.mark.parametrize("host", [False, True])
def test_from_0_6_to_0_9_and_back(host: bool) -> None:
    assert _moved("0.6", "0.9", hostNetwork=host) == MOVED
    assert _moved("0.9", "0.6", hostNetwork=host) == MOVED


def test_from_0_9_to_0_10_only_images_change() -> None:
    assert _moved("0.9", "0.10") == {"prefill-deployment", "decode-deployment", "endpoint-picker-deployment"}


def test_objectives_move_to_the_other_group() -> None:
    flow = {"flowControl": {"priorities": [{"name": "chat", "priority": 1}]}}
    assert _moved("0.6", "0.9", routing=flow) == {*MOVED, "inference-pool-gaie-pd-chat"}


def test_pool_route_and_selectors_stay() -> None:
    """Traffic finds the new pods by the same objects."""
    old, new = (ran({**AMD, "release": each}).objects for each in ("0.6", "0.9"))
    assert old.keys() == new.keys()
    for key in old:
        if key.startswith(("InferencePool/", "HTTPRoute/", "Gateway/", "PodDisruptionBudget/")):
            assert old[key] == new[key], key
        if key.startswith("Deployment/"):
            assert old[key]["spec"]["selector"] == new[key]["spec"]["selector"], key
