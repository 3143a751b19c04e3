"""Two installs with different postfixes in one namespace share no object, and select no pod of each other."""

from typing import Any

from tests.program.wire import AMD, Made, made
from tests.recorder import Recorder


def _install(postfix: str) -> Made:
    return made({**AMD, "postfix": postfix, "createNamespace": False})


def _pods(recorder: Recorder | Made) -> dict[str, dict[str, str]]:
    """Labels of the pods by Deployment."""
    return {
        key: each["spec"]["template"]["metadata"]["labels"]
        for key, each in recorder.objects.items()
        if key.startswith("Deployment/")
    }


def _selectors(recorder: Recorder | Made) -> dict[str, dict[str, str]]:
    """What each object selects its pods by."""
    found: dict[str, dict[str, str]] = {}
    for key, each in recorder.objects.items():
        selector: Any = each.get("spec", {}).get("selector")
        if selector and not key.startswith("ServiceMonitor/"):
            found[key] = selector.get("matchLabels", selector)
    return found


def _services(recorder: Recorder | Made) -> dict[str, dict[str, str]]:
    return {key: each["metadata"]["labels"] for key, each in recorder.objects.items() if key.startswith("Service/")}


def test_names_are_disjoint() -> None:
    assert not _install("pd").objects.keys() & _install("pd-2").objects.keys()


def test_every_object_name_carries_the_postfix() -> None:
    for key in _install("blue").objects:
        assert "-blue-" in f"{key}-", key


def test_no_selector_of_one_matches_a_pod_of_the_other() -> None:
    installs = [_install("pd"), _install("pd-2")]
    for mine, other in (installs, installs[::-1]):
        assert len(_selectors(mine)) == 9  # three Deployments, pool, Service, two PodMonitors, two budgets
        for key, selector in _selectors(mine).items():
            assert any(selector.items() <= labels.items() for labels in _pods(mine).values()), f"{key} selects nothing"
            for name, labels in _pods(other).items():
                assert not selector.items() <= labels.items(), f"{key} selects pods of {name}"


def test_no_service_monitor_scrapes_the_other_picker() -> None:
    installs = [_install("pd"), _install("pd-2")]
    for mine, other in (installs, installs[::-1]):
        [monitor] = [each["spec"] for key, each in mine.objects.items() if key.startswith("ServiceMonitor/")]
        selector = monitor["selector"]["matchLabels"].items()
        assert all(selector <= labels.items() for labels in _services(mine).values())
        assert not any(selector <= labels.items() for labels in _services(other).values())


def test_cluster_wide_names_carry_the_namespace() -> None:
    one = made({**AMD, "namespace": "team-a"}).objects
    other = made({**AMD, "namespace": "team-b"}).objects
    shared = {key for key in one.keys() & other.keys() if "namespace" not in one[key]["metadata"]}
    assert shared == set()


def test_selectors_never_change_with_a_setting() -> None:
    """They are immutable: a change would delete and make anew the whole tier."""
    changes: list[dict[str, Any]] = [
        {"release": "0.4"},
        {"hostNetwork": True},
        {"accelerator": "nvidia"},
        {"model": {"name": "openai/gpt-oss-120b"}},
        {"prefill": {"tensorParallel": 2, "annotations": {"a": "b"}}},
    ]
    plain = _selectors(made(AMD))
    for change in changes:
        assert _selectors(made({**AMD, **change})) == plain, change
