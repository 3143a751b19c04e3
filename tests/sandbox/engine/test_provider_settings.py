"""Contract: whose settings reach which provider, and which cluster is meant."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sandbox.cluster.api import Api
from tests.sandbox.engine.harness import Stack, obj, on_cluster, provider
from tests.sandbox.running import Running

pytestmark = pytest.mark.thorough

Live = Callable[[str], dict[str, Any]]

SDK_PROGRAM = """
import pulumi
import pulumi_kubernetes as k8s

ambient = k8s.Provider("ambient")
config = k8s.core.v1.ConfigMap("ours", metadata={"name": "by-explicit"}, data={"k": "v"},
                               opts=pulumi.ResourceOptions(provider=ambient))
k8s.core.v1.ConfigMap("theirs", metadata={"name": "by-default"}, data={"k": "v"})
pulumi.export("namespace", config.metadata.namespace)
"""


def test_ambient_settings_reach_the_default_provider_only(
    tmp_path: Path, cluster: Running, api: Api, namespace: str, live: Live
) -> None:
    config = {"kubernetes:namespace": namespace}
    stack = on_cluster(tmp_path, cluster, program=SDK_PROGRAM, config=config)
    stack.up().ok()
    assert live("configmaps/by-default")["data"] == {"k": "v"}
    assert api.get("/api/v1/namespaces/default/configmaps/by-explicit")["data"] == {"k": "v"}
    assert stack.resources()["ambient"]["inputs"]["kubeconfig"] == str(cluster.home.kubeconfig), (
        "the Python SDK fills it from $KUBECONFIG: hence our explicit empty one"
    )
    api.delete("/api/v1/namespaces/default/configmaps/by-explicit")


def test_another_cluster_replaces_another_name_for_it_does_not(stack: Stack, namespace: str) -> None:
    thing = obj("core/v1:ConfigMap", "thing", namespace, data={"k": "v"})
    stack.declare(p=provider(clusterIdentifier="one"), thing=thing).up().ok()

    stack.declare(p=provider(clusterIdentifier="one", enablePatchForce=True), thing=thing)
    assert {name: step["op"] for name, step in stack.steps().items()} == {"p": "update"}
    stack.declare(p=provider(clusterIdentifier="two"), thing=thing)
    assert {name: "replace" in step["op"] for name, step in stack.steps().items()} == {"p": True, "thing": True}
