"""docs/upgrading.md lists every change of the first `pulumi up` for a stack that commit c753344 deployed.

Its release stays: tests/program/test_moving.py has what the default of today changes.
"""

import json
from functools import cache
from typing import Any

import pytest

from tests.program.differing import KEYS, Found, Line, found, holds, lines, unsaid
from tests.program.expected import FOLDER, MODELS
from tests.program.shape import normal
from tests.program.wire import ran
from tests.recorder import ROOT, plain

RECORDED: dict[str, dict[str, Any]] = json.loads((FOLDER / "deployed-c753344.json").read_text())
"""Objects by stack and `Kind/name`, recorded with that commit; all but amd: those that differ from amd's."""
RDMA = {"rdma": {"resource": "rdma/ib"}}
STACKS: dict[str, dict[str, Any]] = {
    "amd": {"accelerator": "amd", **RDMA},
    "nvidia": {"accelerator": "nvidia", **RDMA},
    "amd-host": {"accelerator": "amd", "hostNetwork": True, **RDMA},
    "nvidia-host": {"accelerator": "nvidia", "hostNetwork": True, **RDMA},
    "rdma-shared": {"accelerator": "amd", "infrastructure": "rdma-shared"},
    "coreweave": {"accelerator": "nvidia", "infrastructure": "coreweave"},
    "aws-efa": {"accelerator": "nvidia", "infrastructure": "aws-efa"},
    "openshift-roce": {"accelerator": "nvidia", "infrastructure": "openshift-roce"},
}
TABLE = lines("## From commit c753344", ROOT / "docs" / "upgrading.md")


@cache
def _changes(stack: str) -> Found:
    settings = STACKS[stack]
    now = ran({"model": {"name": MODELS[settings["accelerator"]]}, "release": "0.6", **settings}).objects
    return found(normal({**RECORDED["amd"], **RECORDED[stack]}, KEYS), plain(now))


@pytest.mark.parametrize("stack", STACKS)
def test_every_change_has_exactly_one_line(stack: str) -> None:
    assert unsaid(TABLE, stack, _changes(stack)) == []


@pytest.mark.parametrize("line", TABLE, ids=lambda line: f"{line.target} {line.path}")
def test_every_line_is_a_change_with_these_values(line: Line) -> None:
    for stack in STACKS:
        if line.of(stack):
            holds(line, _changes(stack))
