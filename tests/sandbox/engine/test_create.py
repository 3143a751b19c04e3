"""Creation of objects by the Kubernetes plugin."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.sandbox.engine.harness import Stack, deployment, obj, provider

pytestmark = pytest.mark.thorough

Live = Callable[[str], dict[str, Any]]
CONFIG_MAP = "core/v1:ConfigMap"


def test_create_uses_pulumis_field_manager_and_adds_nothing(stack: Stack, namespace: str, live: Live) -> None:
    skip = {"annotations": {"pulumi.com/skipAwait": "true"}, "labels": {"app": "x"}}
    token_of = {"annotations": {"kubernetes.io/service-account.name": "account"}}
    stack.declare(
        p=provider(),
        plain=obj(CONFIG_MAP, "plain", namespace, data={"k": "v"}, metadata=skip),
        workers=deployment("workers", namespace),
        account=obj("core/v1:ServiceAccount", "account", namespace),
        token=obj(
            "core/v1:Secret",
            "token",
            namespace,
            type="kubernetes.io/service-account-token",
            metadata=token_of,
            opts={"depends_on": ["account"]},
        ),
    )
    stack.up().ok()

    plain = live("configmaps/plain")["metadata"]
    assert [(m["manager"], m["operation"]) for m in plain["managedFields"]] == [("pulumi-kubernetes", "Update")]
    assert plain["labels"] == {"app": "x"} and plain["annotations"] == {"pulumi.com/skipAwait": "true"}
    assert live("deployments/workers")["status"]["availableReplicas"] == 1
    assert "data" in stack.resources()["token"]["outputs"], "a service account's Secret is awaited until it is filled"
    assert {r["id"] for r in stack.resources().values() if r["type"].startswith("kubernetes:")} >= {
        f"{namespace}/plain"
    }
