"""Waits of the Kubernetes plugin: conditions, timeouts and messages."""

from collections.abc import Callable
from typing import Any

import pytest

from sandbox.cluster.api import Api
from tests.sandbox.engine.harness import Stack, deployment, obj, provider

Live = Callable[[str], dict[str, Any]]


def gateway(namespace: str) -> dict[str, Any]:
    spec = {"gatewayClassName": "x", "listeners": [{"name": "http", "port": 80, "protocol": "HTTP"}]}
    metadata = {"annotations": {"pulumi.com/waitFor": "condition=Programmed"}}
    short = {"custom_timeouts": {"create": "3s"}}
    return obj("gateway.networking.k8s.io/v1:Gateway", "gateway", namespace, spec=spec, metadata=metadata, opts=short)


@pytest.mark.thorough
def test_waits_end_at_the_timeout_and_keep_the_object(stack: Stack, api: Api, namespace: str, live: Live) -> None:
    greedy = deployment("greedy", namespace, gpus=99, opts={"custom_timeouts": {"create": "3s"}})
    stack.declare(p=provider(), greedy=greedy, gateway=gateway(namespace))
    stack.preview().ok()  # too many GPUs, and a condition that no controller sets; a preview can't find that

    output = stack.up().failed().output
    assert "Waiting for app ReplicaSet to be available (0/1 Pods available)" in output
    assert "'greedy' timed out waiting to be Ready" in output
    assert "Insufficient" not in output, "the scheduler's reason is not shown: hence `make status`"
    assert "Resource has condition Programmed=Unknown (want True)" in output
    assert "'gateway' timed out waiting to be Ready" in output
    state = stack.resources()
    assert state["greedy"]["id"] == f"{namespace}/greedy" and state["greedy"]["initErrors"]
    assert state["gateway"]["initErrors"]

    path = f"/apis/gateway.networking.k8s.io/v1/namespaces/{namespace}/gateways/gateway"
    condition = {
        "type": "Programmed",
        "status": "True",
        "reason": "Test",
        "message": "",
        "lastTransitionTime": "2024-01-01T00:00:00Z",
        "observedGeneration": 1,
    }
    head = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "metadata": {"name": "gateway"}}
    api.apply(f"{path}/status", {**head, "status": {"conditions": [condition]}})
    stack.declare(p=provider(), greedy=deployment("greedy", namespace), gateway=gateway(namespace)).up().ok()
    assert not any(resource.get("initErrors") for resource in stack.resources().values())
