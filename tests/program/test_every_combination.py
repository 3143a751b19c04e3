"""The whole program, for every legal combination of switches, against values typed by hand (tests/expected)."""

from hashlib import sha256

import pytest

from tests.program.expected import EVERY, Combination, expected
from tests.program.shape import differences
from tests.program.wire import HASH, TOKEN, comparable, made
from tests.recorder import ROOT

PICKER = "gaie-pd-epp"
WORKERS = "ms-pd-llm-d-modelservice"
HOOK = ROOT / "components" / "pods" / "drain" / "hook.py"


@pytest.mark.parametrize("combination", EVERY, ids=str)
def test_the_program_declares_exactly_the_expected_objects(combination: Combination) -> None:
    objects = made(combination.serving).objects
    want = expected(combination)
    del want[TOKEN]
    assert set(objects) == set(want)
    assert differences(want, comparable(objects)) == {}

    text = objects[f"ConfigMap/{PICKER}"]["data"]["pd-config.yaml"]
    annotations = objects[f"Deployment/{PICKER}"]["spec"]["template"]["metadata"]["annotations"]
    assert annotations[HASH] == sha256(text.encode()).hexdigest()
    for role, numbers in (("prefill", ["8000", "110", "20"]), ("decode", ["8200", "1590", "20", "8000"])):
        [vllm] = objects[f"Deployment/{WORKERS}-{role}"]["spec"]["template"]["spec"]["containers"]
        command = vllm["lifecycle"]["preStop"]["exec"]["command"]
        assert command == ["python3", "-I", "-S", "-c", HOOK.read_text(), *numbers]
