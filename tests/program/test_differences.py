"""Tables in the docs list every difference of the program's objects from others, and no other.

docs/differences.md: from the guide. docs/upgrading.md: from a stack that commit c753344 deployed with release 0.6;
tests/program/test_moving.py has what the default of today changes. docs/releases.md: from upstream's chart of the EPP.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import cache
from typing import Any, NamedTuple

import pytest
import yaml

from tests.program.differing import KEYS, Found, Line, found, holds, lines, unsaid
from tests.program.expected import FOLDER, MODELS, Combination, layered
from tests.program.shape import normal
from tests.program.wire import AMD, ran, recorded
from tests.recorder import ROOT, plain

GUIDE = {
    "amd": Combination("amd", "0.4", hostNetwork=False, rdma=True, monitoring=True),
    "amd-host": Combination("amd", "0.4", hostNetwork=True, rdma=True, monitoring=True),
    "nvidia": Combination("nvidia", "0.4", hostNetwork=False, rdma=True, monitoring=True),
}
GATEWAYS = {
    f"{provider}-{release}": (provider, release)
    for provider in ("istio", "kgateway", "agentgateway", "gke", "data-science-gateway")
    for release in ("0.4", "0.6")
    if (provider, release) != ("data-science-gateway", "0.4")
}
UPGRADED: dict[str, dict[str, Any]] = {
    f"{vendor}{host}": {"accelerator": vendor, "rdma": {"resource": "rdma/ib"}, "hostNetwork": bool(host)}
    for vendor in ("amd", "nvidia")
    for host in ("", "-host")
} | {
    name: {"accelerator": vendor, "infrastructure": name}
    for vendor, names in {"amd": ["rdma-shared"], "nvidia": ["coreweave", "aws-efa", "openshift-roce"]}.items()
    for name in names
}
RECORDED: dict[str, dict[str, Any]] = json.loads((FOLDER / "deployed-c753344.json").read_text())
"""Objects by stack and `Kind/name`, recorded with that commit; all but amd: those that differ from amd's."""


def _from_the_guide(stack: str) -> Found:
    return found(layered(("guide-0.4", "guide-0.4-workers"), asdict(GUIDE[stack])), recorded(GUIDE[stack]).objects)


def _of_the_gateway(stack: str) -> Found:
    """What the component of the gateway declares, against the guide's charts."""
    provider, release = GATEWAYS[stack]
    combination = Combination("amd", release, hostNetwork=False, rdma=True, monitoring=True)
    recorder = ran({**combination.serving, "gateway": {"provider": provider}})
    made = [each for each in recorder.declared.values() if each.is_object and ":ModelGateway::" in each.parent]
    guide = layered(("guide-gateways",), {"provider": provider, "release": release})
    return found(guide, {each.key: each.inputs for each in made})


def _of_an_upgrade(stack: str) -> Found:
    settings = UPGRADED[stack]
    now = ran({"model": {"name": MODELS[settings["accelerator"]]}, "release": "0.6", **settings}).objects
    return found(normal({**RECORDED["amd"], **RECORDED[stack]}, KEYS), plain(now))


def _from_the_chart(release: str) -> Found:
    documents = yaml.safe_load((FOLDER / f"chart-{release}.yaml").read_text())
    chart = {f"{each['kind']}/{each['metadata']['name']}": each for each in documents}
    objects = ran({**AMD, "release": release, "monitoring": {"enabled": False}}).objects
    return found(normal(chart, KEYS), {name: objects[name] for name in chart})


class Table(NamedTuple):
    """The lines of a table, its stacks, and what differs for each."""

    lines: tuple[Line, ...]
    stacks: tuple[str, ...]
    differences: Callable[[str], Found]


TABLES = {
    "guide": Table(lines("# What differs from the guide"), (*GUIDE,), cache(_from_the_guide)),
    "gateways": Table(lines("## Gateway providers"), (*GATEWAYS,), cache(_of_the_gateway)),
    "upgrade": Table(
        lines("## From commit c753344", ROOT / "docs" / "upgrading.md"), (*UPGRADED,), cache(_of_an_upgrade)
    ),
    "chart": Table(lines("### The EPP, by field", ROOT / "docs" / "releases.md"), ("0.9",), cache(_from_the_chart)),
}
MARKS = {"gateways": pytest.mark.thorough}
STACKS = [pytest.param(name, each, marks=MARKS.get(name, ())) for name in TABLES for each in TABLES[name].stacks]


@pytest.mark.parametrize(("name", "stack"), STACKS)
def test_every_difference_has_exactly_one_line_and_every_line_is_a_difference(name: str, stack: str) -> None:
    table = TABLES[name]
    assert unsaid(table.lines, stack, table.differences(stack)) == []
    for line in table.lines:
        if line.of(stack):
            holds(line, table.differences(stack))


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_every_line_is_about_stacks_and_every_stack_has_a_line(table: Table) -> None:
    for line in table.lines:
        for name in line.stacks.split(", "):
            assert any(replace(line, stacks=name).of(stack) for stack in table.stacks), line
    assert all(any(line.of(stack) for line in table.lines) for stack in table.stacks)
