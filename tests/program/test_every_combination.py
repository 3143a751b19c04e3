"""The whole program, for every legal combination of switches, against values typed by hand (tests/expected)."""

from hashlib import sha256

import pytest

from tests.program.expected import EVERY, Combination, expected
from tests.program.shape import differences, normal
from tests.recorder import run_program

HASH = "llm-d.ai/config-sha256"
PICKER = "gaie-pd-epp"


@pytest.mark.parametrize("combination", EVERY, ids=str)
def test_the_program_declares_exactly_the_expected_objects(combination: Combination) -> None:
    recorded = run_program(combination.serving).objects
    want = expected(combination)
    assert set(recorded) == set(want)

    text = recorded[f"ConfigMap/{PICKER}"]["data"]["pd-config.yaml"]
    annotations = recorded[f"Deployment/{PICKER}"]["spec"]["template"]["metadata"]["annotations"]
    assert annotations[HASH] == sha256(text.encode()).hexdigest()
    annotations[HASH] = "(checked apart)"

    assert differences(want, normal(recorded)) == {}


def test_the_combinations_are_all_there() -> None:
    assert len(set(EVERY)) == 32
