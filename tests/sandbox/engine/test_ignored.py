"""Fields of `ignoreChanges` in an update, as the official plugin's `handleSSAIgnoreFields` sends them."""

from typing import Any

import pytest

from sandbox.engine.kubernetes.state import MANAGER, with_ignored

REPLICAS: dict[str, Any] = {"f:spec": {"f:replicas": {}}}
PLUGIN = {"manager": MANAGER, "operation": "Update", "fieldsV1": REPLICAS}
AUTOSCALER = {"manager": "autoscaler", "operation": "Update", "subresource": "scale", "fieldsV1": REPLICAS}


@pytest.mark.parametrize(
    ("owners", "paths", "sent"),
    [
        ([AUTOSCALER], ["spec.replicas"], {"paused": True}),
        ([PLUGIN], ["spec.replicas"], {"paused": True, "replicas": 6}),
        ([PLUGIN, AUTOSCALER], ["spec.replicas"], {"paused": True, "replicas": 6}),
        ([], ["spec.replicas"], {"paused": True, "replicas": 6}),
        ([AUTOSCALER], [], {"paused": True, "replicas": 4}),
    ],
)
def test_what_an_update_sends(owners: list[dict[str, Any]], paths: list[str], sent: dict[str, Any]) -> None:
    live = {"metadata": {"managedFields": owners}, "spec": {"replicas": 6}}
    inputs = {"spec": {"replicas": 4, "paused": True}}
    assert with_ignored(inputs, live, paths) == {"spec": sent}
    assert inputs["spec"]["replicas"] == 4, "the state keeps what the engine gave"
