"""What the state's parameters of a Gateway say about the proxies that this `up` replaces."""

from typing import Any

import pytest

from components import gateways
from preflight.checks import proxies
from preflight.state import State
from tests.preflight.typed import Typed, facts, plan

GATEWAY = "infra-pd-inference-gateway"


def said(changed: dict[str, str], **gateway: Any) -> list[str]:
    """Outcomes of the check for a stack with other values in its state's ConfigMap."""
    [parameters] = [one for one in gateways.objects(plan().gateway) if one.resource == "parameters"]
    former = {"data": {**parameters.body["data"], **changed}}
    state = State(known=True, inputs={f"ConfigMap/llm-d-pd/{GATEWAY}": former})
    return [one.outcome for one in proxies.check(facts(Typed({}), state, gateway=gateway))]


def test_a_proxy_of_an_earlier_version_cuts_its_streams_when_it_is_replaced() -> None:
    [outcome] = said({"deployment": "spec: {template: {spec: {containers: [{name: istio-proxy}]}}}"})
    assert outcome.endswith("istio cuts their streams after 5 s")


def test_a_changed_size_replaces_the_proxies_with_their_former_grace() -> None:
    [outcome] = said({}, cpu=3)
    assert outcome.endswith("streams have the termination grace that was set before this change")


@pytest.mark.parametrize("change", [{}, {"service": "spec: {type: NodePort}"}])
def test_what_changes_the_service_alone_replaces_no_proxy(change: dict[str, str]) -> None:
    assert said(change) == []
