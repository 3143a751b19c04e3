"""docs/differences.md lists every difference from the guide, and no other."""

from dataclasses import asdict
from functools import cache

import pytest

from tests.program.differing import Found, Line, found, holds, lines, unsaid
from tests.program.expected import Combination, layered
from tests.program.wire import ran, recorded

GUIDE = ("guide-0.4", "guide-0.4-workers")
STACKS = {
    "amd": Combination("amd", "0.4", hostNetwork=False, rdma=True, monitoring=True),
    "amd-host": Combination("amd", "0.4", hostNetwork=True, rdma=True, monitoring=True),
    "nvidia": Combination("nvidia", "0.4", hostNetwork=False, rdma=True, monitoring=True),
}
TABLE = lines("# What differs from the guide")

GATEWAYS = {
    f"{provider}-{release}": (provider, release)
    for provider in ("istio", "kgateway", "agentgateway", "gke", "data-science-gateway")
    for release in ("0.4", "0.6")
    if (provider, release) != ("data-science-gateway", "0.4")
}
OF_GATEWAYS = lines("## Gateway providers")


@cache
def _differences(stack: str) -> Found:
    combination = STACKS[stack]
    return found(layered(GUIDE, asdict(combination)), recorded(combination).objects)


@cache
def _of_a_gateway(stack: str) -> Found:
    """What the component of the gateway declares, against the guide's charts."""
    provider, release = GATEWAYS[stack]
    combination = Combination("amd", release, hostNetwork=False, rdma=True, monitoring=True)
    recorder = ran({**combination.serving, "gateway": {"provider": provider}})
    made = [each for each in recorder.declared.values() if each.is_object and ":ModelGateway::" in each.parent]
    guide = layered(("guide-gateways",), {"provider": provider, "release": release})
    return found(guide, {each.key: each.inputs for each in made})


@pytest.mark.parametrize("stack", STACKS)
def test_every_difference_has_exactly_one_line(stack: str) -> None:
    assert unsaid(TABLE, stack, _differences(stack)) == []


@pytest.mark.parametrize("line", TABLE, ids=lambda line: f"{line.target} {line.path}")
def test_every_line_is_a_difference_with_these_values(line: Line) -> None:
    for stack in STACKS:
        if line.of(stack):
            holds(line, _differences(stack))


@pytest.mark.thorough
@pytest.mark.parametrize("stack", GATEWAYS)
def test_every_difference_of_a_gateway_has_exactly_one_line(stack: str) -> None:
    assert unsaid(OF_GATEWAYS, stack, _of_a_gateway(stack)) == []


@pytest.mark.thorough
@pytest.mark.parametrize("line", OF_GATEWAYS, ids=lambda line: f"{line.target} {line.path}")
def test_every_line_of_a_gateway_is_a_difference_with_these_values(line: Line) -> None:
    for stack in GATEWAYS:
        if line.of(stack):
            holds(line, _of_a_gateway(stack))


@pytest.mark.parametrize(("table", "stacks"), [(TABLE, {*STACKS}), (OF_GATEWAYS, {*GATEWAYS})])
def test_every_line_is_about_a_stack_and_every_stack_has_one(table: tuple[Line, ...], stacks: set[str]) -> None:
    assert all(any(line.of(stack) for stack in stacks) for line in table)
    assert all(any(line.of(stack) for line in table) for stack in stacks)


def test_the_page_is_a_table_of_every_stack() -> None:
    assert {name for line in TABLE for name in line.stacks.split(", ")} - {"all"} == set(STACKS)
