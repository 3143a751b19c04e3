"""The stand-in for the Kubernetes plugin: ignored fields, and what it refuses. Stacks test the rest."""

from pathlib import Path
from typing import Any

import pytest

from sandbox.cluster.api import Api
from sandbox.engine.kubernetes import server
from sandbox.engine.kubernetes.state import MANAGER, with_ignored
from tests.sandbox.engine.harness import deployment, on_cluster, provider
from tests.sandbox.running import Running, provide_nodes


@pytest.mark.thorough
def test_a_field_that_is_ignored_stays_with_whoever_changed_it(tmp_path: Path, cluster: Running, api: Api) -> None:
    """Measured on the official plugin 4.32: 4, then left to an autoscaler, scaled to 6, then fixed again."""
    provide_nodes(cluster)
    stack, namespace = on_cluster(tmp_path, cluster), "default"
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/workers"

    def workers(replicas: int, image: str, *, ignored: bool) -> dict[str, Any]:
        opts = {"ignore_changes": ["spec.replicas"]} if ignored else {}
        return deployment("workers", namespace, image=image, replicas=replicas, opts=opts)

    def replicas() -> int:
        return int(api.get(path)["spec"]["replicas"])

    stack.declare(p=provider(), workers=workers(4, "pause:1", ignored=False)).up().ok()

    stack.declare(p=provider(), workers=workers(1, "pause:1", ignored=True))
    stack.preview("--expect-no-changes").ok()
    stack.up().ok()
    assert replicas() == 4, "what the tier had, not what it would begin with"

    api.patch(f"{path}/scale", {"spec": {"replicas": 6}}, "application/merge-patch+json", fieldManager="autoscaler")
    stack.preview("--expect-no-changes").ok()
    stack.declare(p=provider(), workers=workers(1, "pause:2", ignored=True)).up().ok()
    assert replicas() == 6
    stack.pulumi("refresh", "--yes").ok()
    stack.preview("--expect-no-changes").ok()
    stack.declare(p=provider(), workers=workers(1, "pause:1", ignored=True)).up().ok()
    assert replicas() == 6

    stack.declare(p=provider(), workers=workers(3, "pause:1", ignored=False))
    refused = stack.up().failed().output
    assert 'conflict with "autoscaler"' in refused
    assert ".spec.replicas" in refused
    assert replicas() == 6
    stack.pulumi("destroy", "--yes", "--skip-preview").ok()


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
def test_an_update_leaves_ignored_fields_out(
    owners: list[dict[str, Any]], paths: list[str], sent: dict[str, Any]
) -> None:
    """As the official plugin's `handleSSAIgnoreFields`."""
    live = {"metadata": {"managedFields": owners}, "spec": {"replicas": 6}}
    inputs = {"spec": {"replicas": 4, "paused": True}}
    assert with_ignored(inputs, live, paths) == {"spec": sent}
    assert inputs["spec"]["replicas"] == 4, "the state keeps what the engine gave"


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({}, "the sandbox makes no names"),
        ({"name": "x", "annotations": {"pulumi.com/skipAwiat": "true"}}, "the sandbox knows only"),
        (
            {"name": "x", "annotations": {"pulumi.com/waitFor": "Programmed"}},
            "'Programmed' is neither condition=Type[=Status] nor jsonpath={.path}[=value]",
        ),
    ],
)
def test_features_of_the_official_plugin_alone_are_refused(metadata: dict[str, Any], expected: str) -> None:
    refused = server.of_object({"kind": "ConfigMap", "metadata": {"namespace": "n", **metadata}})
    assert [expected in reason for _, reason in refused] == [True]
