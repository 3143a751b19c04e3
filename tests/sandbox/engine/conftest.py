"""Two nodes, namespaces, and direct access to the API server."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.cluster.api import Api, connect
from tests.sandbox.engine.harness import Stack, on_cluster
from tests.sandbox.running import Running, provide_nodes


@pytest.fixture(scope="session")
def api(cluster: Running) -> Iterator[Api]:
    provide_nodes(cluster)
    with connect(cluster.host_kubeconfig) as connection:
        yield connection


@pytest.fixture
def namespace(api: Api, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace for one test. It stays until the cluster ends (a deletion takes 6 s); pods with GPUs go earlier."""
    name: str = request.node.name.replace("_", "-").removeprefix("test-")[:60].strip("-")
    api.apply(f"/api/v1/namespaces/{name}", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield name
    api.delete(f"/apis/apps/v1/namespaces/{name}/deployments")


@pytest.fixture
def stack(tmp_path: Path, cluster: Running, api: Api) -> Stack:
    return on_cluster(tmp_path, cluster)


@pytest.fixture
def live(api: Api, namespace: str) -> Callable[[str], dict[str, Any]]:
    """Reads an object such as `configmaps/name` from the test's namespace."""

    def read(path: str) -> dict[str, Any]:
        prefix = "/apis/apps/v1" if path.startswith(("deployments", "statefulsets", "replicasets")) else "/api/v1"
        return api.get(f"{prefix}/namespaces/{namespace}/{path}")

    return read
