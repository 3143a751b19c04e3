"""The whole program, for every legal combination of switches, against values typed by hand (tests/expected)."""

import copy
from hashlib import sha256

import pytest

from tests.program.expected import EVERY, Combination, expected
from tests.program.shape import differences, normal
from tests.program.wire import recorded, texts_apart
from tests.recorder import ROOT

HASH = "llm-d.ai/config-sha256"
PICKER = "gaie-pd-epp"
WORKERS = "ms-pd-llm-d-modelservice"
HOOK = ROOT / "components" / "pods" / "drain" / "hook.py"


@pytest.mark.parametrize("combination", EVERY, ids=str)
def test_the_program_declares_exactly_the_expected_objects(combination: Combination) -> None:
    objects = copy.deepcopy(recorded(combination).objects)
    want = expected(combination)
    assert set(objects) == set(want)

    text = objects[f"ConfigMap/{PICKER}"]["data"]["pd-config.yaml"]
    annotations = objects[f"Deployment/{PICKER}"]["spec"]["template"]["metadata"]["annotations"]
    assert annotations[HASH] == sha256(text.encode()).hexdigest()
    annotations[HASH] = "(checked apart)"

    for role, numbers in (("prefill", ["8000", "110", "20"]), ("decode", ["8200", "1590", "20", "8000"])):
        [vllm] = objects[f"Deployment/{WORKERS}-{role}"]["spec"]["template"]["spec"]["containers"]
        hook = vllm["lifecycle"]["preStop"]["exec"]
        assert hook["command"] == ["python3", "-I", "-S", "-c", HOOK.read_text(), *numbers]
        hook["command"] = "(checked apart)"

    texts_apart(objects)
    assert differences(want, normal(objects)) == {}


def test_the_combinations_are_all_there() -> None:
    assert len(set(EVERY)) == 64
