"""The whole program, for every legal combination of switches, against values typed by hand (tests/expected)."""

import copy
from hashlib import sha256

import pytest

from tests.program.expected import EVERY, Combination, expected
from tests.program.shape import differences, normal
from tests.program.wire import recorded

HASH = "llm-d.ai/config-sha256"
PICKER = "gaie-pd-epp"


@pytest.mark.parametrize("combination", EVERY, ids=str)
def test_the_program_declares_exactly_the_expected_objects(combination: Combination) -> None:
    objects = copy.deepcopy(recorded(combination).objects)
    want = expected(combination)
    assert set(objects) == set(want)

    text = objects[f"ConfigMap/{PICKER}"]["data"]["pd-config.yaml"]
    annotations = objects[f"Deployment/{PICKER}"]["spec"]["template"]["metadata"]["annotations"]
    assert annotations[HASH] == sha256(text.encode()).hexdigest()
    annotations[HASH] = "(checked apart)"

    assert differences(want, normal(objects)) == {}


def test_the_combinations_are_all_there() -> None:
    assert len(set(EVERY)) == 32
