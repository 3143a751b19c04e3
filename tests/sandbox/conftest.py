"""One control plane for the whole test session, deleted at its end."""

from collections.abc import Iterator

import pytest

from sandbox.cluster.api import Api, connect
from tests.sandbox.running import Running, separate


@pytest.fixture(scope="session")
def cluster() -> Iterator[Running]:
    with separate("session") as started:
        yield started


@pytest.fixture(scope="module")
def api(cluster: Running) -> Iterator[Api]:
    with connect(cluster.host_kubeconfig) as connection:
        yield connection
