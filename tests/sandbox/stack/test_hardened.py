"""The API server takes what isolates and protects the pods, for every provider and release."""

from typing import Any

import pytest

from sandbox.cluster.api import connect
from tests.program.test_isolation import CELLS
from tests.program.wire import AMD, ran
from tests.sandbox.running import Running

KINDS = {
    "NetworkPolicy": "networking.k8s.io/v1/namespaces/default/networkpolicies",
    "PodDisruptionBudget": "policy/v1/namespaces/default/poddisruptionbudgets",
    "Deployment": "apps/v1/namespaces/default/deployments",
}


@pytest.mark.parametrize(("provider", "release"), CELLS)
def test_the_api_server_takes_every_object_as_it_is(cluster: Running, provider: str, release: str) -> None:
    """Server-side apply refuses fields that it does not know; what it stores says what it was told."""
    security = {"level": "locked", "gatewayRanges": ["10.129.0.0/23"]}
    where = {"namespace": "default", "createNamespace": False}
    serving = {**AMD, **where, "gateway": {"provider": provider}, "release": release, "security": security}
    told = [each for key, each in ran(serving).objects.items() if key.partition("/")[0] in KINDS]
    assert {each["kind"] for each in told} == KINDS.keys()
    with connect(cluster.host_kubeconfig) as api:
        for each in told:
            path = f"/apis/{KINDS[each['kind']]}/{each['metadata']['name']}"
            stored = api.patch(path, each, "application/apply-patch+yaml", dryRun="All", force="true")
            assert _within(each["spec"], stored["spec"]), each["metadata"]["name"]


def _within(told: Any, stored: Any) -> bool:
    """Whether everything that was told is there; the server adds its defaults, and drops what is empty."""
    if isinstance(told, dict):
        return all(_within(value, stored.get(key)) for key, value in told.items() if value not in ({}, []))
    if isinstance(told, list):
        return len(told) == len(stored) and all(map(_within, told, stored))
    return bool(told == stored)
