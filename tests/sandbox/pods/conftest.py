from collections.abc import Iterator

import pytest

from sandbox.cluster.nodes import Fleet, provide
from tests.sandbox.pods.harness import Pods, pods_of
from tests.sandbox.running import Running


@pytest.fixture
def pods(cluster: Running) -> Iterator[Pods]:
    provide(cluster.host_kubeconfig, Fleet("amd", 2))
    with pods_of(cluster) as pods:
        yield pods
