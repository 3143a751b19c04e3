from collections.abc import Iterator

import pytest

from tests.sandbox.pods.harness import Pods, pods_of
from tests.sandbox.running import Running, provide_nodes


@pytest.fixture
def pods(cluster: Running) -> Iterator[Pods]:
    provide_nodes(cluster)
    with pods_of(cluster) as pods:
        yield pods
