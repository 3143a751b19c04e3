"""Changes of objects in place by the Kubernetes plugin."""

from collections.abc import Callable
from typing import Any

import pytest

from sandbox.cluster.api import Api
from tests.sandbox.engine.harness import Stack, deployment, obj, proposed, provider

pytestmark = pytest.mark.thorough

Live = Callable[[str], dict[str, Any]]


def everything(namespace: str, image: str, value: str, token: str) -> dict[str, Any]:
    """Objects with values that the API server spells differently."""
    container = {
        "env": [{"name": "EMPTY", "value": ""}, {"name": "A", "value": "1"}],
        "resources": {"limits": {"cpu": "1000m", "memory": "1024Mi"}, "requests": {"cpu": 0.5}},
        "securityContext": {},
        "ports": [{"containerPort": 80}],
    }
    gateway = {"gatewayClassName": "x", "listeners": [{"name": "http", "port": 80, "protocol": "HTTP"}]}
    return {
        "p": provider(),
        "workers": deployment("workers", namespace, image=image, container=container, metadata={"annotations": {}}),
        "settings": obj("core/v1:ConfigMap", "settings", namespace, data={"k": value, "same": ""}),
        "token": obj("core/v1:Secret", "token", namespace, stringData={"HF_TOKEN": {"secret": token}}),
        "gateway": obj("gateway.networking.k8s.io/v1:Gateway", "gateway", namespace, spec=gateway),
    }


def test_only_changed_fields_of_the_program_change(stack: Stack, api: Api, namespace: str, live: Live) -> None:
    stack.declare(**everything(namespace, "pause:1", "1", "hf_first")).up().ok()
    before = {path: live(path)["metadata"]["uid"] for path in ("deployments/workers", "secrets/token")}
    label = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings", "labels": {"other": "stays"}}}
    api.apply(f"/api/v1/namespaces/{namespace}/configmaps/settings", label)

    stack.preview("--expect-no-changes").ok()

    stack.declare(**everything(namespace, "pause:2", "2", "hf_second"))
    ran = stack.preview("--json", "--expect-no-changes")
    assert ran.code == 7, ran.output
    found = {name: (step["op"], list(step["detailedDiff"])) for name, step in proposed(ran).items()}
    assert found == {
        "workers": ("update", ["spec.template.spec.containers[0].image"]),
        "settings": ("update", ["data.k"]),
        "token": ("update", ["stringData.HF_TOKEN"]),
    }

    stack.up().ok()
    assert {path: live(path)["metadata"]["uid"] for path in before} == before
    assert live("deployments/workers")["spec"]["template"]["spec"]["containers"][0]["image"] == "pause:2"
    assert live("configmaps/settings")["data"] == {"k": "2", "same": ""}
    assert live("configmaps/settings")["metadata"]["labels"] == {"other": "stays"}
    stack.preview("--expect-no-changes").ok()


def test_a_field_of_another_manager_is_a_conflict(stack: Stack, api: Api, namespace: str, live: Live) -> None:
    def settings(value: str, **more: str) -> dict[str, Any]:
        return obj("core/v1:ConfigMap", "settings", namespace, data={"k": value, **more})

    stack.declare(p=provider(), settings=settings("program", old="x")).up().ok()
    other = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"k": "other"}}
    api.apply(f"/api/v1/namespaces/{namespace}/configmaps/settings", other)

    stack.declare(p=provider(), settings=settings("changed", old="x"))
    assert 'conflict with "sandbox": .data.k' in stack.up().failed().output
    assert live("configmaps/settings")["data"] == {"k": "other", "old": "x"}

    stack.declare(p=provider(enablePatchForce=True), settings=settings("changed")).up().ok()
    after = live("configmaps/settings")["data"]
    assert after == {"k": "changed"}, "a field that the program drops goes, though our create had made it"


def test_a_field_that_is_ignored_stays_with_whoever_changed_it(
    stack: Stack, api: Api, namespace: str, live: Live
) -> None:
    """Measured on the official plugin 4.32: 4, then left to an autoscaler, scaled to 6, then fixed again."""

    def workers(replicas: int, image: str, *, ignored: bool) -> dict[str, Any]:
        opts = {"ignore_changes": ["spec.replicas"]} if ignored else {}
        return deployment("workers", namespace, image=image, replicas=replicas, opts=opts)

    def replicas() -> int:
        return int(live("deployments/workers")["spec"]["replicas"])

    stack.declare(p=provider(), workers=workers(4, "pause:1", ignored=False)).up().ok()

    stack.declare(p=provider(), workers=workers(1, "pause:1", ignored=True))
    stack.preview("--expect-no-changes").ok()
    stack.up().ok()
    assert replicas() == 4, "what the tier had, not what it would begin with"

    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/workers/scale"
    api.patch(path, {"spec": {"replicas": 6}}, "application/merge-patch+json", fieldManager="autoscaler")
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
