"""Legs of requests by setting and release: the workers that compute them. Tests build on each other."""

from collections.abc import Iterator

import pytest

from tests.sandbox.running import Running
from tests.sandbox.serving.traffic import Traffic, traffic, words
from tests.sandbox.stack.deployment import Deployment, deployment, destroyed_afterwards

pytestmark = pytest.mark.thorough
SELECTIVE = {"0.6": {"routing__selectivePd__nonCachedTokens": 64}, "0.4": {"routing__selectivePd__threshold": 256}}


@pytest.fixture(scope="module")
def stack(cluster: Running) -> Iterator[Deployment]:
    with destroyed_afterwards(deployment(cluster, "amd")) as made:
        yield made


@pytest.fixture(scope="module", params=SELECTIVE)
def release(request: pytest.FixtureRequest, stack: Deployment) -> str:
    """The stack in this release, every request disaggregated."""
    stack.pulumi("config", "set", "--path", "--type=string", "serving.release", request.param)
    stack.up(routing=None)
    return str(request.param)


@pytest.fixture
def gateway(stack: Deployment, release: str) -> Iterator[Traffic]:
    with traffic(stack) as requests:
        yield requests


def test_always_visits_one_prefill_and_one_decode_worker_per_request(gateway: Traffic) -> None:
    model = gateway.model

    def send() -> None:
        for number in range(40):
            gateway.complete(words(30, f"always{number}"), model)

    legs = gateway.counted(send, decode=40)
    assert legs.totals == (40, 40)
    assert len(legs.prefill) == 4, f"spread over the prefill pods: {legs.prefill}"
    assert min(legs.prefill.values()) >= 3, legs.prefill


def test_short_prompts_are_disaggregated_too(gateway: Traffic) -> None:
    assert gateway.counted(lambda: gateway.complete("hi", gateway.model)).totals == (1, 1)


def test_selective_disaggregates_long_prompts_that_are_not_cached(gateway: Traffic, release: str) -> None:
    gateway.stack.up(**SELECTIVE[release])
    model, long = gateway.model, words(400, f"long{release}")
    assert gateway.counted(lambda: gateway.complete("short", model)).totals == (0, 1)
    assert gateway.counted(lambda: gateway.complete(long, model)).totals == (1, 1)
    assert gateway.counted(lambda: gateway.complete(long, model)).totals == (0, 1), "decode has it cached now"
    assert gateway.counted(lambda: gateway.complete(words(400, "other"), model)).totals == (1, 1)
