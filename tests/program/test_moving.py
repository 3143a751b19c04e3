"""What another release changes on a stack, by resource: docs/releases.md, "Moving to another release"."""

from tests.program.wire import AMD, made, remade


def _moved(before: str, after: str) -> set[str]:
    return remade(made({**AMD, "release": before}), made({**AMD, "release": after}))


def test_from_0_6_to_0_9_pool_route_and_gateway_stay() -> None:
    assert _moved("0.6", "0.9") == {
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


def test_from_0_9_to_0_10_only_images_change() -> None:
    assert _moved("0.9", "0.10") == {"prefill-deployment", "decode-deployment", "endpoint-picker-deployment"}
