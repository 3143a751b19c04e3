"""A change without an outage, with the steps of docs/changes.md: a second install behind an independent Gateway."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from threading import Event, Thread

import pytest

from sandbox.client import route
from sandbox.cluster.api import connect
from tests.sandbox.running import Running, soon
from tests.sandbox.serving.traffic import Traffic, send, traffic, words
from tests.sandbox.stack.deployment import Deployment, deployment, destroyed_afterwards

pytestmark = pytest.mark.thorough

GATEWAYS, NEXT = "gateways", "llm-d-next"
GATEWAY = {
    "apiVersion": "gateway.networking.k8s.io/v1",
    "kind": "Gateway",
    "metadata": {"name": "models", "namespace": GATEWAYS},
    "spec": {
        "gatewayClassName": "istio",
        "listeners": [
            {"name": "http", "port": 80, "protocol": "HTTP", "allowedRoutes": {"namespaces": {"from": "All"}}}
        ],
    },
}
FIRST, SECOND = (True, False), (False, True)
HEADER = "gateway__route__headers__x-install"
ATTACHED = {"gateway__existing__name": "models", "gateway__existing__namespace": GATEWAYS}


@pytest.fixture(scope="module")
def first(cluster: Running) -> Iterator[Deployment]:
    made = deployment(cluster, "amd")
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": GATEWAYS}}
    with connect(cluster.host_kubeconfig) as api, destroyed_afterwards(made):
        api.apply(f"/api/v1/namespaces/{GATEWAYS}", space)
        api.apply(f"/apis/gateway.networking.k8s.io/v1/namespaces/{GATEWAYS}/gateways/models", GATEWAY)
        made.up(prefill__replicas=1, **ATTACHED)
        yield made
        api.delete(f"/api/v1/namespaces/{GATEWAYS}")


@pytest.fixture(scope="module")
def second(first: Deployment) -> Iterator[Deployment]:
    made = Deployment(first.cluster, first.engine, "amd-next")
    made.pulumi("stack", "init", "--copy-config-from", "amd")
    with destroyed_afterwards(made):
        yield made


def ask(stack: Traffic, prompt: str, **headers: str) -> int:
    port = route.find_target(stack.stack.cluster.home, "amd", stack.api).port
    body = {"model": stack.model, "prompt": prompt, "max_tokens": 4}
    return send(port, "POST", "/v1/completions", body, headers).status


@contextmanager
def asking(stack: Traffic) -> Iterator[list[int]]:
    """Statuses of a client that sends requests without a header while the body runs."""
    statuses, ended = list[int](), Event()
    port = route.find_target(stack.stack.cluster.home, "amd", stack.api).port
    model = stack.model

    def ask_again() -> None:
        while not ended.is_set():
            body = {"model": model, "prompt": words(8, f"client{len(statuses)}"), "max_tokens": 4}
            statuses.append(send(port, "POST", "/v1/completions", body).status)

    client = Thread(target=ask_again)
    client.start()
    try:
        yield statuses
    finally:
        ended.set()
        client.join()


def answered_by(installs: tuple[bool, bool], one: Traffic, two: Traffic) -> bool:
    """Whether ten requests without a header have decode legs at exactly these installs."""
    before = one.legs(), two.legs()
    for number in range(10):
        assert ask(one, words(20, f"asked{number}")) == 200
    legs = (each.legs() - former for each, former in zip((one, two), before, strict=True))
    return tuple(each.totals[1] > 0 for each in legs) == installs


def test_a_second_install_takes_over_without_a_failed_request(first: Deployment, second: Deployment) -> None:
    second.up(namespace=NEXT, model__blockSize=64, **{HEADER: "next"})
    with traffic(first) as one, traffic(second, NEXT) as two, asking(one) as statuses:
        assert soon(lambda: ask(two, "begins", **{"x-install": "next"}) == 200)
        assert second.verify().returncode == 0
        second.up(gateway__route=None)
        assert soon(partial(answered_by, FIRST, one, two)), "of two equal routes the older one wins"
        first.up(**{HEADER: "former"})
        assert soon(partial(answered_by, SECOND, one, two))
        first.pulumi("destroy", "--yes", "--skip-preview")
    assert statuses
    assert set(statuses) == {200}
