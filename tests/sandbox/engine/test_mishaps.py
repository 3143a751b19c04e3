"""Contract, the slow rows: what is missing for long, and an engine that is killed."""

import subprocess
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from sandbox.cluster.api import Api
from tests.sandbox.engine.harness import Stack, deployment, obj, provider

pytestmark = pytest.mark.thorough

Live = Callable[[str], dict[str, Any]]


def test_a_missing_crd_fails_after_a_minute(stack: Stack, namespace: str) -> None:
    stack.declare(p=provider(), thing=obj("example.com/v1:Missing", "thing", namespace, spec={"a": 1}))
    started = time.monotonic()
    output = stack.up().failed().output
    assert time.monotonic() - started > 60
    assert "the apiVersion for this resource does not exist. Verify that any required CRDs have been created" in output


def test_a_namespace_that_comes_late_is_waited_for(stack: Stack, api: Api, namespace: str) -> None:
    late = f"{namespace}-late"
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": late}}
    timer = threading.Timer(4, lambda: api.apply(f"/api/v1/namespaces/{late}", body))
    timer.start()
    stack.declare(p=provider(), settings=obj("core/v1:ConfigMap", "settings", late, data={"k": "v"})).up().ok()
    timer.join()


def test_a_killed_engine_leaves_an_object_that_can_be_taken_over(stack: Stack, namespace: str, live: Live) -> None:
    greedy = deployment("workers", namespace, gpus=99)
    stack.declare(p=provider(), workers=greedy)
    command = stack.command("up", "--yes", "--skip-preview")
    with subprocess.Popen(
        command, cwd=stack.engine.cwd, env=stack.engine.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as up:
        assert up.stdout
        for line in up.stdout:
            if "0/1 Pods available" in line:
                break
        up.kill()
    modest = deployment("workers", namespace, gpus=1)

    assert "the stack is currently locked" in stack.declare(p=provider(), workers=modest).up().failed().output
    stack.pulumi("cancel", "--yes").ok()
    assert "already exists" in stack.up().failed().output
    upserting = stack.declare(p=provider(upsertExistingObjects=True), workers=modest).up().failed().output
    assert 'conflict with "pulumi-kubernetes" using apps/v1' in upserting
    stack.declare(p=provider(upsertExistingObjects=True, enablePatchForce=True), workers=modest).up().ok()
    assert live("deployments/workers")["status"]["availableReplicas"] == 1

    assert [pending["type"] for pending in stack.latest()["pending_operations"]] == ["creating"]
    stack.pulumi("refresh", "--yes", "--skip-preview", "--clear-pending-creates").ok()
    assert not stack.latest().get("pending_operations")
