"""Changes that replace an object."""

from collections.abc import Callable
from typing import Any

import pytest

from sandbox.cluster.api import Api, ApiError
from tests.sandbox.engine.harness import Stack, deployment, obj, provider

pytestmark = pytest.mark.thorough

Live = Callable[[str], dict[str, Any]]
RBAC = "rbac.authorization.k8s.io"


def objects(namespace: str, other: str, *, second: bool) -> dict[str, Any]:
    value = "2" if second else "1"
    skip = {"annotations": {"pulumi.com/skipAwait": "true"}}
    labels = {"app": "set", "v": value}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "pause:1"}]}}
    workers = deployment("workers", namespace, metadata=skip)
    workers["props"]["spec"] |= {"selector": {"matchLabels": labels}, "template": template}
    role = {"apiGroup": RBAC, "kind": "Role", "name": f"role-{value}"}
    service = {"ports": [{"port": 80}], "selector": {"app": "x"}, **({"clusterIP": "None"} if second else {})}
    return {
        "p": provider(),
        "settings": obj("core/v1:ConfigMap", f"settings-{value}", namespace, data={"k": value}),
        "token": obj("core/v1:Secret", "token", namespace, type=f"test/{value}", stringData={"k": "v"}),
        "workers": workers,
        "binding": obj(f"{RBAC}/v1:RoleBinding", "binding", namespace, roleRef=role, subjects=[]),
        "service": obj("core/v1:Service", "service", namespace, spec=service, metadata=skip),
        "renamed": obj("core/v1:ServiceAccount", f"renamed-{value}", namespace),
        "moved": obj("core/v1:ServiceAccount", "moved", other if second else namespace),
        "dependent": obj(
            "core/v1:ConfigMap", "dependent", namespace, data={"of": {"output": ["settings", "metadata", "name"]}}
        ),
    }


def test_identity_and_immutable_fields_replace(stack: Stack, api: Api, namespace: str, live: Live) -> None:
    stack.declare(**objects(namespace, "default", second=False)).up().ok()
    before = {name: resource["outputs"]["metadata"]["uid"] for name, resource in named(stack).items()}

    stack.declare(**objects(namespace, "default", second=True))
    steps = stack.steps()
    reasons = {name: step["replaceReasons"] for name, step in steps.items() if name != "dependent"}
    assert reasons == {
        "settings": ["metadata.name"],
        "token": ["type"],
        "workers": ["spec.selector.matchLabels.v"],
        "binding": ["roleRef.name"],
        "service": ["spec.clusterIP"],
        "renamed": ["metadata.name"],
        "moved": ["metadata.namespace"],
    }
    assert steps["dependent"]["op"] == "update", "its data come from a replaced object's new name"

    stack.up().ok()  # explicit names need a deletion first
    after = {name: resource["outputs"]["metadata"]["uid"] for name, resource in named(stack).items()}
    assert {name for name in before if before[name] == after[name]} == {"dependent"}
    assert live("configmaps/settings-2")["data"] == {"k": "2"}
    assert live("configmaps/dependent")["data"] == {"of": "settings-2"}
    for gone in ("configmaps/settings-1", "serviceaccounts/renamed-1", "serviceaccounts/moved"):
        with pytest.raises(ApiError, match="NotFound"):
            live(gone)
    api.delete("/api/v1/namespaces/default/serviceaccounts/moved")


def named(stack: Stack) -> dict[str, Any]:
    return {name: r for name, r in stack.resources().items() if r["type"].startswith("kubernetes:")}


def test_another_cluster_replaces_and_another_context_name_does_not(stack: Stack, namespace: str) -> None:
    thing = obj("core/v1:ConfigMap", "thing", namespace, data={"k": "v"})
    stack.declare(p=provider(clusterIdentifier="one"), thing=thing).up().ok()

    stack.declare(p=provider(clusterIdentifier="one", enablePatchForce=True), thing=thing)
    assert {name: step["op"] for name, step in stack.steps().items()} == {"p": "update"}
    stack.declare(p=provider(clusterIdentifier="two"), thing=thing)
    assert {name: "replace" in step["op"] for name, step in stack.steps().items()} == {"p": True, "thing": True}
