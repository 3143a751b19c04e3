"""Nodes of a description. Stacks test them with the real scheduler (`stack/test_combinations.py`)."""

import pytest

from sandbox.cluster.api import Api
from sandbox.errors import SandboxError
from tests.sandbox.running import Running, provide_nodes, soon


def names(api: Api) -> set[str]:
    return {node["metadata"]["name"] for node in api.get("/api/v1/nodes")["items"]}


def test_nodes_of_both_accelerators_exist_side_by_side(cluster: Running, api: Api) -> None:
    provide_nodes(cluster)
    for count, present in ((3, 3), (None, 3), (1, 1)):  # None = as many as exist
        provide_nodes(cluster, "nvidia", count)
        assert names(api) == {"amd-0", "amd-1", *(f"nvidia-{number}" for number in range(present))}


def test_pods_of_a_deleted_node_are_deleted(cluster: Running, api: Api) -> None:
    provide_nodes(cluster, "nvidia", 2)
    pods = "/api/v1/namespaces/default/pods"
    assert soon(lambda: bool(api.get("/api/v1/namespaces/default/serviceaccounts")["items"]))
    spec = {"nodeName": "nvidia-1", "containers": [{"name": "c", "image": "pause:3"}]}
    api.create(pods, {"metadata": {"name": "on-a-deleted-node"}, "spec": spec})
    provide_nodes(cluster, "nvidia", 1)
    assert "on-a-deleted-node" not in {pod["metadata"]["name"] for pod in api.get(pods)["items"]}


@pytest.mark.parametrize("count", [0, 251])
def test_a_count_beyond_the_address_range_is_refused(cluster: Running, count: int) -> None:
    with pytest.raises(SandboxError, match=f"--nodes {count}"):
        provide_nodes(cluster, "amd", count)
