"""Drift, refresh and destroy with the Kubernetes plugin."""

from collections.abc import Callable
from typing import Any

import pytest

from sandbox.cluster.api import Api
from tests.sandbox.engine.harness import Stack, deployment, obj, proposed, provider

pytestmark = pytest.mark.thorough

Live = Callable[[str], dict[str, Any]]


def _after(name: str) -> dict[str, Any]:
    """Options that order steps, because a refused step ends a preview, and other steps must come before it."""
    return {"depends_on": [name]}


def test_refresh_sees_the_drift_that_a_preview_does_not(stack: Stack, api: Api, namespace: str, live: Live) -> None:
    root = f"/api/v1/namespaces/{namespace}"
    objects = {
        "p": provider(),
        "lost": obj("core/v1:ServiceAccount", "lost", namespace),
        "drifting": obj("core/v1:ConfigMap", "drifting", namespace, data={"k": "v", "same": "x"}, opts=_after("lost")),
        "secret": obj("core/v1:Secret", "secret", namespace, stringData={"k": "v"}),
        "workers": deployment("workers", namespace, container={"resources": {"limits": {"cpu": "1000m"}}}),
    }
    stack.declare(**objects).up().ok()
    stack.pulumi("refresh", "--yes", "--skip-preview", "--expect-no-changes").ok()

    drift = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "drifting"}, "data": {"k": "drifted"}}
    api.apply(f"{root}/configmaps/drifting", drift)
    api.delete(f"{root}/serviceaccounts/lost")
    stack.preview("--expect-no-changes").ok()

    stack.pulumi("refresh", "--yes", "--skip-preview").ok()
    assert "lost" not in stack.resources()
    steps = proposed(stack.preview("--json"))  # the other manager's field is also a conflict
    found = {name: (step["op"], list(step.get("detailedDiff") or {})) for name, step in steps.items()}
    assert found == {"drifting": ("update", ["data.k"]), "lost": ("create", [])}
