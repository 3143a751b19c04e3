"""Contract: what is waited for, for how long, and what is said meanwhile."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from sandbox.cluster.api import Api
from tests.sandbox.engine.harness import Stack, deployment, obj, provider

Live = Callable[[str], dict[str, Any]]
SKIP = {"annotations": {"pulumi.com/skipAwait": "true"}}


def gateway(namespace: str, **annotations: str) -> dict[str, Any]:
    spec = {"gatewayClassName": "x", "listeners": [{"name": "http", "port": 80, "protocol": "HTTP"}]}
    metadata = {"annotations": annotations} if annotations else {}
    return obj("gateway.networking.k8s.io/v1:Gateway", "gateway", namespace, spec=spec, metadata=metadata)


def took(ran_output: str, name: str) -> float:
    """Seconds that the CLI reports for creating a resource."""
    found = re.search(rf" {name} created \(([\d.]+)s\)", ran_output)
    assert found, ran_output
    return float(found.group(1))


@pytest.mark.thorough
def test_waits_end_at_the_timeout_and_keep_the_object(stack: Stack, api: Api, namespace: str, live: Live) -> None:
    greedy = deployment("greedy", namespace, gpus=99, opts={"custom_timeouts": {"create": "3s"}})
    wish = {"pulumi.com/waitFor": "condition=Programmed", "pulumi.com/timeoutSeconds": "3"}
    ports = {"ports": [{"port": 80}], "selector": {"app": "ready"}}
    stack.declare(
        p=provider(),
        greedy=greedy,
        gateway=gateway(namespace, **wish),
        ready=deployment("ready", namespace),
        awaited=obj("core/v1:Service", "awaited", namespace, spec=ports),
        skipped=obj("core/v1:Service", "skipped", namespace, spec=ports, metadata=SKIP),
        headless=obj("core/v1:Service", "headless", namespace, spec={"ports": [{"port": 80}]}),
    )
    stack.preview().ok()  # too many GPUs and a condition that nobody sets: a preview can't know

    output = stack.up().failed().output
    assert "Waiting for app ReplicaSet to be available (0/1 Pods available)" in output
    assert "'greedy' timed out waiting to be Ready" in output
    assert "Insufficient" not in output, "the scheduler's reason is not shown: hence `make status`"
    assert "Resource has condition Programmed=Unknown (want True)" in output
    assert "'gateway' timed out waiting to be Ready" in output
    assert max(took(output, "skipped"), took(output, "headless")) < 10 <= took(output, "awaited")
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
    stack.declare(p=provider(), greedy=deployment("greedy", namespace), gateway=gateway(namespace, **wish)).up().ok()
    assert not any(resource.get("initErrors") for resource in stack.resources().values())
