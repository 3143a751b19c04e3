"""Settings of the EPP: its objects as typed by hand, and what a change of them changes."""

from typing import Any

import pytest
import yaml

from tests.program.expected import layered
from tests.program.shape import differences
from tests.program.wire import AMD, Made, comparable, made

COLLECTOR = {"endpoint": "http://otel:4317", "sampling": 0.25}
SETTINGS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"tracing": COLLECTOR}, {"tracing": True}),
    *(({"routing": {"preset": each}}, {"preset": each}) for each in ("guide", "prefix-cache-aware", "load-aware")),
    ({"routing": {"replicas": 2}}, {"replicas": 2}),
]
"""Settings, and the switches of tests/expected/picker.yaml. The EPP of release 0.4 sends no spans."""


@pytest.mark.parametrize(
    ("release", "serving", "switches"),
    [(release, *each) for release, first in (("0.4", 1), ("0.6", 0)) for each in SETTINGS[first:]],
    ids=str,
)
def test_the_objects_of_the_picker_are_as_typed(
    release: str, serving: dict[str, Any], switches: dict[str, Any]
) -> None:
    want = layered(("picker",), {"monitoring": True, "release": release, **switches})
    objects = made({**AMD, "release": release, **serving}).objects
    assert differences(want, comparable({key: objects[key] for key in objects.keys() & want.keys()})) == {}


def test_another_configuration_is_another_pod_and_another_flag_leaves_the_configuration() -> None:
    def annotation(stack: Made) -> str:
        template = stack.objects["Deployment/gaie-pd-epp"]["spec"]["template"]
        return str(template["metadata"]["annotations"]["llm-d.ai/config-sha256"])

    assert annotation(made({**AMD, "routing": {"selectivePd": {"nonCachedTokens": 64}}})) != annotation(made(AMD))
    assert annotation(made({**AMD, "routing": {"verbosity": 5}})) == annotation(made(AMD))


def _picker(serving: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = made({**AMD, **serving}).objects["Deployment/gaie-pd-epp"]["spec"]["template"]["spec"]
    return spec


def test_a_picker_with_a_configuration_of_the_users_may_write_to_tmp() -> None:
    """Its plugins may be others than the program's: the precise prefix cache keeps tokenizers there."""
    config = yaml.safe_load(made(AMD).objects["ConfigMap/gaie-pd-epp"]["data"]["pd-config.yaml"])
    own = _picker({"routing": {"config": config}})
    assert {each["name"]: each for each in own["volumes"]}["scratch"] == {"name": "scratch", "emptyDir": {}}
    assert {"name": "scratch", "mountPath": "/tmp"} in own["containers"][0]["volumeMounts"]
    assert [each["name"] for each in _picker({})["volumes"]] == ["plugins-config-volume"]
