"""The first request to a new Ready stack always succeeds."""

import pytest

from sandbox.client import pods, route
from sandbox.client.route import Target
from sandbox.cluster.api import Api, connect
from sandbox.network import gateways, istio
from sandbox.progress import Progress
from tests.sandbox.running import Running, provide_nodes, soon
from tests.sandbox.serving import broken
from tests.sandbox.serving.traffic import send

pytestmark = pytest.mark.thorough
STARTS = 4
PATIENCE = 180.0
"""Seconds for a busy machine; only the first answer counts."""


def test_the_first_request_after_ready_succeeds_every_time(cluster: Running) -> None:
    provide_nodes(cluster)
    istio.provide(cluster.host_kubeconfig, "istio-system", Progress())
    with connect(cluster.host_kubeconfig) as api:
        first = [_first_answer(cluster, api, f"fresh-{number}", ("0.6", "0.4")[number % 2]) for number in range(STARTS)]
    assert [why for why in first if why] == []


def _first_answer(cluster: Running, api: Api, namespace: str, release: str) -> str:
    """Deploy a stack with FailClose; return the fault of the first answer, if any."""
    objects = broken.render(namespace, release=release, routing={"failureMode": "FailClose"})
    home, gateway = cluster.home.root, (namespace, "infra-pd-inference-gateway")
    try:
        assert broken.deploy(api, objects, patience=PATIENCE), f"{namespace} never was ready"
        assert soon(lambda: gateway in gateways.assigned_ports(home)), f"no port of the host leads to {namespace}"
        body = {"model": broken.MODEL, "prompt": "the first question", "max_tokens": 4}
        port = gateways.assigned_ports(home)[gateway]
        answer = send(port, "POST", "/v1/completions", body, {istio.MARK: namespace})
        found = route.find_access(api, pods.listed(api, namespace), Target(*gateway, broken.MODEL, port), namespace)
    finally:
        broken.remove(api, objects)
    assert soon(lambda: gateway not in gateways.assigned_ports(home))
    good = answer.status == 200 and found and found[1].prefill
    return "" if good else f"{namespace} ({release}): {answer}, {found and found[1]}"
