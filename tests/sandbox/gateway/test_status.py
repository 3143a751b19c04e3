"""Conditions as the Gateway API prescribes them, and that nothing is written twice."""

from typing import Any

import pytest

from sandbox.gateway import status, writing
from sandbox.gateway.gateways import resolve
from sandbox.gateway.model import Verdict
from sandbox.gateway.operation import simulated
from sandbox.gateway.status import Operation
from sandbox.gateway.store import World
from tests.sandbox.gateway.objects import changed, without, world

FIRST, LATER = "2026-01-01T00:00:01Z", "2026-01-01T00:00:09Z"
SERVES = Operation(Verdict(True, "Programmed"), (("Hostname", "door-istio.models.svc.cluster.local"),))
WAITS = Operation(Verdict(False, "Pending", "no pod of Deployment door-istio is ready"), ())
DOOR = ("models", "door")


def writes(content: World, operation: Operation, now: str = FIRST) -> dict[str, Any]:
    found = list(writing.statuses(content, resolve(content), {DOOR: operation}, now))
    return {one.path.rpartition("/")[2]: one.body["status"] for one in found}


def settled(content: World, operation: Operation) -> World:
    """The content once everything has been written."""
    kinds = {"door": "Gateway", "chat": "HTTPRoute", "pool": "InferencePool"}
    for name, body in writes(content, operation).items():
        content = changed(content, kinds[name], name, "status", body)
    return content


def conditions(entry: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {one["type"]: (one["status"], one["reason"]) for one in entry["conditions"]}


def test_a_gateway_that_serves_says_so_in_all_its_conditions() -> None:
    found = writes(world(), SERVES)
    assert conditions(found["door"]) == {"Accepted": ("True", "Accepted"), "Programmed": ("True", "Programmed")}
    (listener,) = found["door"]["listeners"]
    assert conditions(listener) == {
        "Accepted": ("True", "Accepted"),
        "Conflicted": ("False", "NoConflicts"),
        "ResolvedRefs": ("True", "ResolvedRefs"),
        "Programmed": ("True", "Programmed"),
    }
    assert (listener["attachedRoutes"], [one["kind"] for one in listener["supportedKinds"]]) == (1, ["HTTPRoute"])
    assert found["door"]["addresses"] == [{"type": "Hostname", "value": "door-istio.models.svc.cluster.local"}]
    (parent,) = found["chat"]["parents"]
    assert parent["controllerName"] == "istio.io/gateway-controller"
    assert conditions(parent) == {"Accepted": ("True", "Accepted"), "ResolvedRefs": ("True", "ResolvedRefs")}
    (parent,) = found["pool"]["parents"]
    assert (parent["parentRef"]["namespace"], parent["parentRef"]["name"]) == DOOR


def test_every_condition_carries_the_generation_that_it_is_about() -> None:
    found = writes(changed(world(), "Gateway", "door", "metadata.generation", 7), SERVES)
    told = [*found["door"]["conditions"], *found["door"]["listeners"][0]["conditions"]]
    assert {one["observedGeneration"] for one in told} == {7}
    assert {one["observedGeneration"] for one in found["chat"]["parents"][0]["conditions"]} == {1}


def test_what_is_written_already_is_not_written_again() -> None:
    content = settled(world(), SERVES)
    assert writes(content, SERVES, LATER) == {}


def test_a_transition_keeps_the_times_of_the_others() -> None:
    content = settled(world(), WAITS)
    times = {one["type"]: one["lastTransitionTime"] for one in writes(content, SERVES, LATER)["door"]["conditions"]}
    assert times == {"Accepted": FIRST, "Programmed": LATER}


def test_other_controllers_entries_stay_and_ours_go_with_their_reason() -> None:
    foreign = {"parentRef": {"name": "x"}, "controllerName": "example.com/other", "conditions": []}
    content = settled(world(), SERVES)
    mine = content["HTTPRoute"][("models", "chat")]["status"]["parents"]
    content = changed(content, "HTTPRoute", "chat", "status.parents", [*mine, foreign])
    alone = without(content, "Gateway", "door")
    found = list(writing.statuses(alone, resolve(alone), {}, LATER))
    told = {one.path.rpartition("/")[2]: one.body["status"]["parents"] for one in found}
    assert told == {"chat": [foreign], "pool": []}


@pytest.mark.parametrize("name", ["chat", "pool"])
def test_a_shared_list_is_written_only_over_what_was_read(name: str) -> None:
    kind = {"chat": "HTTPRoute", "pool": "InferencePool"}[name]
    content = changed(world(), kind, name, "metadata.resourceVersion", "42")
    (one,) = [
        one for one in writing.statuses(content, resolve(content), {DOOR: SERVES}, FIRST) if one.path.endswith(name)
    ]
    assert one.body["metadata"] == {"resourceVersion": "42"}


def test_where_no_pod_runs_a_gateway_says_that_it_is_simulated() -> None:
    (gateway,) = resolve(world()).gateways.values()
    found = writes(world(), simulated(gateway))["door"]
    (told,) = [one for one in found["conditions"] if one["type"] == "Programmed"]
    assert (told["status"], told["message"].partition(":")[0]) == ("True", "simulated")
    assert found["addresses"][0]["value"] == "door-istio.models.svc.cluster.local"
    (gateway,) = resolve(changed(world(), "Gateway", "door", "spec.listeners.0.protocol", "TCP")).gateways.values()
    assert not simulated(gateway).programmed.good


def test_our_classes_are_accepted() -> None:
    content = world()
    found = {one.path.rpartition("/")[2]: one for one in writing.classes(content, FIRST)}
    assert found["istio"].verb == "status"
    assert found["kgateway"].body["spec"] == {"controllerName": "kgateway.dev/kgateway"}
    told = status.gateway_class(content["GatewayClass"][("", "istio")], FIRST)
    assert conditions(told) == {"Accepted": ("True", "Accepted")}
