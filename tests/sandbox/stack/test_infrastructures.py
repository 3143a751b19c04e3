"""Every infrastructure on the real scheduler, on the nodes of its description."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache

import pytest

from components.config.vocabulary import Infrastructure
from components.infrastructures import profile
from sandbox.cluster import descriptions
from sandbox.cluster.admission import Admission
from tests.sandbox import running
from tests.sandbox.running import Running
from tests.sandbox.serving.traffic import traffic, words
from tests.sandbox.stack.deployment import Deployment, deployment, destroyed_afterwards, gpus, ready

pytestmark = pytest.mark.thorough

Stacks = Callable[[str, Admission], Deployment]


@pytest.fixture(scope="module")
def stacks(cluster: Running) -> Iterator[Stacks]:
    """A stack of each vendor, without an RDMA device of its own, one at a time.

    A cluster with other admission settings than Kubernetes' defaults is started for it.
    """
    with ExitStack() as held:

        @cache
        def made(vendor: str, admission: Admission) -> Deployment:
            held.close()
            where = cluster if admission == Admission() else held.enter_context(_started(admission))
            stack = held.enter_context(destroyed_afterwards(deployment(where, vendor)))
            stack.configure(rdma=None)
            return stack

        yield made


@contextmanager
def _started(admission: Admission) -> Iterator[Running]:
    home = running.private_home("infrastructures")
    try:
        yield running.start(home, admission)
    finally:
        running.throw_away(home)


def vendor_of(infrastructure: Infrastructure) -> str:
    """NVIDIA where there is a choice."""
    only = profile(infrastructure).only
    return "amd" if "amd" in only else "nvidia"


def admission_of(infrastructure: Infrastructure) -> Admission:
    """The admission settings of its description."""
    return descriptions.read(descriptions.find(infrastructure.value)).admission


IN_ORDER: list[Infrastructure] = sorted(
    Infrastructure, key=lambda word: (vendor_of(word), admission_of(word) != Admission()), reverse=True
)


@pytest.mark.parametrize("infrastructure", IN_ORDER, ids=str)
def test_workers_are_placed_with_their_devices_and_share_each_request(
    infrastructure: Infrastructure, stacks: Stacks
) -> None:
    chosen, vendor = profile(infrastructure), vendor_of(infrastructure)
    stack = stacks(vendor, admission_of(infrastructure))
    stack.configure(infrastructure=infrastructure.value)
    running.provide_nodes(stack.cluster, vendor, chosen=infrastructure.value)
    stack.up(preflight="enforce")
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
