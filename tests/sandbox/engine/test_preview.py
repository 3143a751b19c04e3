"""Contract: what a preview checks, and what it lets pass."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.engine.harness import Stack, deployment, obj, provider
from tests.sandbox.engine.test_update import UNREACHABLE

pytestmark = pytest.mark.thorough


def test_built_in_kinds_are_validated_by_the_server(stack: Stack, namespace: str) -> None:
    wrong = deployment("wrong", namespace, replicas=-1)
    output = stack.declare(p=provider(), wrong=wrong).preview().failed().output
    assert 'Deployment.apps "wrong" is invalid: spec.replicas' in output


def test_what_an_up_may_still_bring_about_passes(stack: Stack, namespace: str, tmp_path: Path) -> None:
    def in_place(name: str, where: str, **opts: Any) -> dict[str, Any]:
        return obj("core/v1:ConfigMap", name, where, data={"k": "v"}, opts=opts)

    stack.declare(
        p=provider(),
        nofile=provider(kubeconfig=str(tmp_path / "nowhere")),
        nocontext=provider(context="nope"),
        nobody=provider(kubeconfig=json.dumps(UNREACHABLE)),
        crd=obj("example.com/v1:Missing", "crd", namespace, spec={"a": 1}),
        space=in_place("space", "not-there-yet"),
        file=in_place("file", namespace, provider="nofile"),
        context=in_place("context", namespace, provider="nocontext"),
        server=in_place("server", namespace, provider="nobody"),
        fresh=obj("core/v1:Namespace", "fresh"),
        unknown=obj("core/v1:ConfigMap", "unknown", namespace, data={"of": {"output": ["fresh", "status", "phase"]}}),
    )
    stack.preview().ok()

    without_waits = ("file", "context", "server")
    targets = [f"--target=urn:pulumi:dev::tiny::kubernetes:core/v1:ConfigMap::{name}" for name in without_waits]
    output = stack.up("--continue-on-error", "--target-dependents", *targets).failed().output
    assert output.count("configured Kubernetes cluster is unreachable") >= len(without_waits)
    assert "nope" in output and "does not exist" in output
    assert not set(without_waits) & set(stack.resources())
