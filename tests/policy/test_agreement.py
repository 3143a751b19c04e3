"""The objects of the program pass the policy pack, and the remedies of the pack name settings that exist."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from policy.rules import RULES
from tests.docs.pages import settings
from tests.policy.test_rules import REJECTED, found
from tests.program.policies import violations
from tests.recorder import run_program

NVIDIA: dict[str, Any] = {"accelerator": "nvidia", "model": {"name": "org/model"}}
PATH = re.compile(r"\bserving(?:\.(?:<prefill\|decode>|\w+))+")

DEPLOYED: dict[str, dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("deployed.yaml").read_text())


@pytest.mark.parametrize("name", DEPLOYED)
def test_what_the_program_deploys_breaks_no_rule(name: str) -> None:
    assert violations(run_program({**NVIDIA, **DEPLOYED[name]})) == []


def test_every_remedy_is_a_setting_that_exists() -> None:
    known = settings()
    texts = [each.change for name, subject, *_ in REJECTED for each in found(name, subject)]
    texts += [f"{rule.must} {rule.outcome}" for rule in RULES]
    named = {
        path.replace("<prefill|decode>", role)
        for text in texts
        for path in PATH.findall(text)
        for role in ("prefill", "decode")
    }
    assert {"serving.hostNetwork", "serving.gateway.image", "serving.decode.tensorParallel"} <= named
    assert named - known.keys() == set()
