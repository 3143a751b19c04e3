"""Several stacks behind one Gateway: a request's legs are only at its own stack."""

import io
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import pytest
import yaml

from sandbox.client import route
from sandbox.client.chat import ask
from sandbox.progress import Progress
from tests.sandbox.running import Running, soon
from tests.sandbox.serving.traffic import Answer, Traffic, send, traffic, words
from tests.sandbox.stack.deployment import Deployment, deployment, destroyed_afterwards

pytestmark = pytest.mark.thorough

OWNER, SECOND, NAMESPACE = "llm-d-pd", "second", "gateways"
GATEWAY = {"name": "infra-pd-inference-gateway", "namespace": OWNER}
"""The first stack's Gateway."""
SHARED = f"""
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: shared-gateway, namespace: {NAMESPACE}}}
spec:
  gatewayClassName: istio
  listeners:
    - {{name: mine, port: 8080, protocol: HTTP}}
    - {{name: models, port: 80, protocol: HTTP, allowedRoutes: {{namespaces: {{from: All}}}}}}
"""


@pytest.fixture(scope="module")
def both(cluster: Running) -> Iterator[tuple[Deployment, Deployment]]:
    """Two stacks, of which only the first has a Gateway."""
    first, second = deployment(cluster, "amd"), deployment(cluster, "nvidia")
    with destroyed_afterwards(first), destroyed_afterwards(second):
        first.up()
        second.configure(namespace=SECOND, postfix="two", **attached(GATEWAY))
        yield first, second


def attached(gateway: Mapping[str, str]) -> dict[str, Any]:
    return {f"gateway__existing__{key}": value for key, value in gateway.items()}


def asked(stack: Traffic, prompt: str) -> Answer:
    """Request one completion of a stack, as in its outputs."""
    way = route.find_target(stack.stack.cluster.home, stack.stack.stack, stack.api)
    body = {"model": way.model, "prompt": prompt, "max_tokens": 4}
    return send(way.port, "POST", f"{way.path}/v1/completions", body, way.headers)


def serves_its_own_only(stack: Traffic, other: Traffic, name: str) -> None:
    """Assert that ten requests have ten prefill and ten decode legs at one stack, and none at the other."""
    assert soon(lambda: asked(stack, f"{name} begins").status == 200)
    before = other.legs()

    def ten() -> None:
        for number in range(10):
            answer = asked(stack, words(20, f"{name}{number}"))
            assert answer.status == 200, answer
            assert answer.json["model"] == stack.model

    assert stack.counted(ten, decode=10).totals == (10, 10)
    assert (other.legs() - before).totals == (0, 0)


ROUTES: dict[str, dict[str, Any]] = {
    "path": {"gateway__route__path": "/models/second"},
    "host name": {"gateway__route__hostnames[0]": "*.example.com"},
}


@pytest.mark.parametrize("by", ROUTES)
def test_a_second_model_behind_the_first_stacks_gateway(by: str, both: tuple[Deployment, Deployment]) -> None:
    first, second = both
    second.configure(gateway__route=None)
    second.up(**ROUTES[by])
    second.pulumi("preview", "--expect-no-changes")
    with traffic(first) as one, traffic(second, SECOND, "two") as two:
        serves_its_own_only(two, one, "second")
        serves_its_own_only(one, two, "first")
    assert "Gateway/second/infra-two-inference-gateway" not in second.objects("llm-d.ai/instance=two")


def test_verify_and_chat_reach_the_second_stack(both: tuple[Deployment, Deployment]) -> None:
    second = both[1]
    done = second.verify()
    assert done.returncode == 0, done.stdout + done.stderr

    heard, said = io.StringIO(), io.StringIO()
    assert ask(second.cluster.home, second.stack, Progress(said), "hello", heard) == 0
    assert heard.getvalue().strip()
    assert "→ picker   gaie-two-epp-" in said.getvalue()
    assert "→ prefill  ms-two-" in said.getvalue()


def test_two_stacks_behind_a_gateway_that_neither_owns(both: tuple[Deployment, Deployment]) -> None:
    first, second = both
    with traffic(first) as one, traffic(second, SECOND, "two") as two, ExitStack() as left:
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
        one.api.apply(f"/api/v1/namespaces/{NAMESPACE}", namespace)
        left.callback(one.api.delete, f"/api/v1/namespaces/{NAMESPACE}")
        gateways = f"/apis/gateway.networking.k8s.io/v1/namespaces/{NAMESPACE}/gateways"
        one.api.apply(f"{gateways}/shared-gateway", yaml.safe_load(SHARED))
        shared = {"name": "shared-gateway", "namespace": NAMESPACE, "listener": "models"}
        for stack, path in ((first, "/first"), (second, "/second")):
            stack.configure(gateway=None)
            stack.up(**attached(shared), gateway__route__path=path)
        serves_its_own_only(one, two, "first")
        serves_its_own_only(two, one, "second")
        way = route.find_target(first.cluster.home, "amd", one.api)
        assert send(way.port, "GET", "/v1/models").status == 404, "neither has all of the Gateway"
        listeners = one.api.get(f"{gateways}/shared-gateway")["status"]["listeners"]
        assert {one["name"]: one["attachedRoutes"] for one in listeners} == {"mine": 0, "models": 2}
