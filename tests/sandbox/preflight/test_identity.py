"""Which cluster a stack is in: no name of it replaces an object, and another cluster stops a command before any change.

The states are those of commit c753344 and that of this version. The provider of c753344 has `cluster.identifier`, or
without it the name of the context, as its `clusterIdentifier`.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.cluster.api import connect
from sandbox.engine import Engine
from tests.sandbox.running import Running, separate
from tests.sandbox.stack.deployment import Deployment, deployment, destroyed_afterwards

pytestmark = pytest.mark.thorough

State = dict[str, str]
STATES: dict[str, tuple[State, dict[str, str]]] = {
    "context unset": ({}, {}),
    "context set": ({"context": "sandbox", "clusterIdentifier": "sandbox"}, {"context": "sandbox"}),
    "identifier set": (
        {"context": "sandbox", "clusterIdentifier": "blue"},
        {"context": "sandbox", "identifier": "blue"},
    ),
    "made by this version": ({"clusterIdentifier": "llm-d-pd"}, {}),
}
"""Inputs of the provider in the state, and `serving.cluster`."""

CHANGED: dict[tuple[str, str], list[str]] = {
    ("context unset", "context renamed"): ["cluster"],
    ("context unset", "context first set"): ["cluster"],
    ("context unset", "preview without a cluster"): [],
    ("context set", "context renamed"): ["cluster"],
    ("context set", "context first set"): [],
    ("context set", "preview without a cluster"): [],
    ("identifier set", "context renamed"): ["cluster"],
    ("identifier set", "context first set"): [],
    ("identifier set", "preview without a cluster"): [],
    ("made by this version", "context renamed"): ["cluster"],
    ("made by this version", "context first set"): ["cluster"],
    ("made by this version", "preview without a cluster"): [],
}
"""Resources that a preview updates; it replaces, makes and deletes none."""


@pytest.fixture(scope="module")
def amd(cluster: Running) -> Iterator[Deployment]:
    with destroyed_afterwards(deployment(cluster, "amd")) as made:
        made.up(prefill__replicas=1, monitoring__enabled=False)
        yield made


@pytest.fixture(scope="module")
def elsewhere(amd: Deployment) -> Iterator[Deployment]:
    """The same stack and state, on a second cluster under the same context name."""
    with separate("another") as other:
        env = {**amd.engine.env, "KUBECONFIG": str(other.home.kubeconfig)}
        yield replace(amd, cluster=other, engine=Engine(env, amd.engine.cwd, amd.engine.notes))


@pytest.mark.parametrize(
    ("preflight", "command"), [("off", ("preview",)), ("warn", ("up", "--yes", "--skip-preview"))], ids=["off", "warn"]
)
def test_previews_and_up_stop(amd: Deployment, elsewhere: Deployment, command: tuple[str, ...], preflight: str) -> None:
    amd.configure(preflight=preflight)
    with connect(amd.cluster.host_kubeconfig) as here, connect(elsewhere.cluster.host_kubeconfig) as there:
        uids = [api.get("/api/v1/namespaces/kube-system")["metadata"]["uid"] for api in (here, there)]
        done = elsewhere.pulumi(*command, "--color=never", ok=False)
        names = {each["metadata"]["name"] for each in there.get("/api/v1/namespaces")["items"]}
    output = " ".join(done.stdout.split())
    assert done.returncode
    assert "error: another cluster (serving.cluster.context)" in output
    assert f"deployed to the cluster with UID {uids[0]} (context sandbox, server https://127.0.0.1:6443)" in output
    assert f"this one has UID {uids[1]}" in output
    assert "Nothing was touched." in output
    assert "llm-d-pd" not in names


def test_on_its_own_cluster_a_preview_has_no_changes(amd: Deployment, elsewhere: Deployment) -> None:
    amd.configure(preflight=None)
    assert amd.changes() == {}
    done = amd.pulumi("preview", "--color=never")
    assert "nothing in the way" in done.stdout


@pytest.fixture(scope="module", params=STATES)
def stack(amd: Deployment, request: pytest.FixtureRequest) -> tuple[str, Deployment, dict[str, Any]]:
    """The name of a state, the stack, and the state."""
    before, _ = STATES[request.param]
    exported: dict[str, Any] = json.loads(amd.pulumi("stack", "export").stdout)
    for each in exported["deployment"]["resources"]:
        if each["type"] == "pulumi:providers:kubernetes":
            for side in ("inputs", "outputs"):
                kept = {key: each[side][key] for key in each[side] if key not in ("context", "clusterIdentifier")}
                each[side] = kept | before
    return request.param, amd, exported


@pytest.mark.parametrize("change", ["context renamed", "context first set", "preview without a cluster"])
def test_no_name_of_the_cluster_replaces_anything(
    stack: tuple[str, Deployment, dict[str, Any]], change: str, tmp_path: Path
) -> None:
    name, made, state = stack
    kubeconfig = tmp_path / "kubeconfig"
    context = {"context renamed": "other", "context first set": "sandbox"}.get(change)
    if context:
        document = yaml.safe_load(made.cluster.home.kubeconfig.read_text())
        document["current-context"] = document["contexts"][0]["name"] = context
        kubeconfig.write_text(yaml.safe_dump(document))
    settings = {**STATES[name][1], **({"context": context} if context else {})}
    made.configure(cluster__context=settings.get("context"), cluster__identifier=settings.get("identifier"))
    engine = Engine({**made.engine.env, "KUBECONFIG": str(kubeconfig)}, made.engine.cwd, made.engine.notes)
    here = replace(made, engine=engine)

    _import(made, state, tmp_path)
    steps = json.loads(here.pulumi("preview", "--json").stdout)["steps"]
    changed = {each["urn"].rpartition("::")[2]: each["op"] for each in steps if each["op"] != "same"}
    assert changed == dict.fromkeys(CHANGED[name, change], "update")
    if context:
        elsewhere = json.loads(json.dumps(state))
        for each in elsewhere["deployment"]["resources"]:
            if each["type"] == "llm-d-pd:index:TargetCluster":
                each["outputs"]["uid"] = "2222"
        _import(made, elsewhere, tmp_path)
        refused = here.pulumi("preview", "--color=never", ok=False)
        assert refused.returncode
        assert "error: another cluster (serving.cluster.context)" in refused.stdout
        _import(made, state, tmp_path)


def _import(made: Deployment, state: dict[str, Any], folder: Path) -> None:
    file = folder / "state.json"
    file.write_text(json.dumps(state))
    made.pulumi("stack", "import", "--file", str(file))
