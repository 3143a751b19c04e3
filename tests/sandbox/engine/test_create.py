"""Contract: creating objects."""

from collections.abc import Callable
from typing import Any

from sandbox.cluster.api import Api
from tests.sandbox.engine.harness import Stack, deployment, obj, provider

Live = Callable[[str], dict[str, Any]]
CONFIG_MAP = "core/v1:ConfigMap"


def test_create_posts_as_pulumi_and_adds_nothing(stack: Stack, namespace: str, live: Live) -> None:
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


def test_an_existing_object_is_an_error_unless_it_is_upserted(
    stack: Stack, api: Api, namespace: str, live: Live
) -> None:
    for name in ("taken", "upserted", "forced"):
        theirs = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"k": "theirs"}}
        api.apply(f"/api/v1/namespaces/{namespace}/configmaps/{name}", theirs)

    def ours(name: str, by: str) -> dict[str, Any]:
        return obj(CONFIG_MAP, name, namespace, data={"k": "ours"}, opts={"provider": by})

    stack.declare(p=provider(), taken=ours("taken", "p")).preview().ok()

    stack.declare(
        p=provider(),
        upserts=provider(upsertExistingObjects=True),
        forces=provider(upsertExistingObjects=True, enablePatchForce=True),
        taken=ours("taken", "p"),
        upserted=ours("upserted", "upserts"),
        forced=ours("forced", "forces"),
    )
    output = stack.up("--continue-on-error").failed().output
    assert 'was not successfully created by the Kubernetes API server: configmaps "taken" already exists' in output
    assert 'conflict with "sandbox": .data.k' in output
    found = {name: live(f"configmaps/{name}")["data"]["k"] for name in ("taken", "upserted", "forced")}
    assert found == {"taken": "theirs", "upserted": "theirs", "forced": "ours"}
    assert not {"taken", "upserted"} & set(stack.resources())
