"""A deployed stack is refused on another cluster before any change, and works on its own cluster."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from sandbox.cluster.api import connect
from sandbox.engine import Engine
from tests.sandbox.running import Running, separate
from tests.sandbox.stack.deployment import Deployment, deployment, destroyed_afterwards

pytestmark = pytest.mark.thorough


@pytest.fixture(scope="module")
def amd(cluster: Running) -> Iterator[Deployment]:
    with destroyed_afterwards(deployment(cluster, "amd")) as made:
        made.up()
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
