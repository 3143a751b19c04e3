"""Every infrastructure on the real scheduler, with nodes that offer what such a cluster has, and nothing else."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache

import pytest

from components.config.vocabulary import Infrastructure
from components.infrastructures import profile
from sandbox.cluster import nodes
from tests.sandbox.running import Running
from tests.sandbox.serving.traffic import traffic, words
from tests.sandbox.stack.deployment import Deployment, deployment, destroyed_afterwards, gpus, ready

pytestmark = pytest.mark.thorough

Stacks = Callable[[str], Deployment]


@pytest.fixture(scope="module")
def stacks(cluster: Running) -> Iterator[Stacks]:
    """A stack of each vendor, without an RDMA device of its own, one at a time."""
    with ExitStack() as held:

        @cache
        def made(vendor: str) -> Deployment:
            held.close()
            stack = held.enter_context(destroyed_afterwards(deployment(cluster, vendor)))
            stack.configure(rdma=None)
            return stack

        yield made


def vendor_of(infrastructure: Infrastructure) -> str:
    """NVIDIA where there is a choice."""
    only = profile(infrastructure).only
    return "amd" if "amd" in only else "nvidia"


IN_ORDER: list[Infrastructure] = sorted(Infrastructure, key=vendor_of, reverse=True)


@pytest.mark.parametrize("infrastructure", IN_ORDER, ids=str)
def test_workers_are_placed_with_their_devices_and_share_each_request(
    infrastructure: Infrastructure, stacks: Stacks
) -> None:
    chosen, vendor = profile(infrastructure), vendor_of(infrastructure)
    stack = stacks(vendor)
    stack.configure(infrastructure=infrastructure.value)
    fleet = nodes.fleet_of(stack.engine.cwd / f"Pulumi.{vendor}.yaml", 2)
    assert fleet is not None
    nodes.provide(stack.cluster.host_kubeconfig, fleet)
    stack.up()
    stack.pulumi("preview", "--expect-no-changes")

    for role, parallel in (("prefill", 1), ("decode", 4)):
        pods = [pod for pod in stack.pods(role=role) if pod.metadata.deletion_timestamp is None]
        assert pods
        for pod in pods:
            assert ready(pod)
            assert gpus(pod, f"{vendor}.com/gpu") == (8 if chosen.whole_node else parallel)
            if chosen.device:
                assert gpus(pod, chosen.device.resource) == chosen.device.amount(parallel)
            assert chosen.annotations.keys() <= (pod.metadata.annotations or {}).keys()
    with traffic(stack) as requests:
        model = requests.model
        legs = requests.counted(lambda: requests.complete(words(30, infrastructure.value), model))
        assert legs.totals == (1, 1)
