"""Every setting changes exactly the resources that it is about."""

import re
import typing
from enum import Enum
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from components.config.settings import Serving
from tests.program.every_setting import EVERY_SETTING, with_setting
from tests.program.expected import FOLDER
from tests.program.wire import AMD, changed, default, made, ran, remade

ABOUT_A_CLUSTER = {"preflight", "adopt", "rollout.generation", "waiting"}
"""What they do takes a cluster or a state: test_preflight, test_generations, tests/verify/test_during_up.py."""
BY_ENGINE: set[str] = {*yaml.safe_load((FOLDER / "every-setting.yaml").read_text())["by engine"]}
"""They reach what the objects as data do not show: the token's Secret, the provider, time limits and dependencies."""
ABOUT_SIZING = r"gpu$|load\.|model\.shape"
"""They change notes and an output: tests/plan/test_sizing.py."""


def _models(annotation: Any) -> list[type[BaseModel]]:
    """The settings classes within an annotation."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in typing.get_args(annotation) for model in _models(part)]


_CONTAINERS: dict[Any, str] = {list: "[]", dict: ".A"}


def _settings(model: type[BaseModel], prefix: str = "") -> dict[str, Any]:
    """Every leaf of the settings by config path, with its annotation."""
    found: dict[str, Any] = {}
    for field in model.model_fields.values():
        path = f"{prefix}{field.alias}"
        inner = _models(field.annotation)
        for each in inner:
            name = _CONTAINERS.get(typing.get_origin(field.annotation), "")
            found |= _settings(each, f"{path}{name}.")
        if not inner:
            found[path] = field.annotation
    return found


def test_every_setting_is_here() -> None:
    one_word = {
        path
        for path, annotation in _settings(Serving).items()
        if isinstance(annotation, type) and issubclass(annotation, Enum) and len(annotation) == 1
    }
    assert one_word <= {"gateway.provider"}, "nothing else to set it to"
    about_sizing = {path for path in _settings(Serving) if re.match(ABOUT_SIZING, path)}
    assert _settings(Serving).keys() - one_word - ABOUT_A_CLUSTER - about_sizing == EVERY_SETTING.keys()


@pytest.mark.parametrize("path", EVERY_SETTING)
def test_a_setting_changes_exactly_what_it_is_about(path: str) -> None:
    change = EVERY_SETTING[path]
    before = AMD
    for needed, value in change.given.items():
        before = with_setting(before, needed, value)
    at = "routing.selectivePd" if path.startswith("routing.selectivePd") else path
    after = with_setting(before, at, change.value)
    if path not in BY_ENGINE:
        assert remade(made(before), made(after)) == change.reaches
        return
    names = changed(ran(before), ran(after))
    components = {"inference-pool", "endpoint-picker", "model-gateway", "prefill", "decode", "monitoring"}
    assert names - (components if path in ("createNamespace", "monitoring.enabled") else set()) == change.reaches


def test_prefill_and_decode_agree_on_attention_when_their_parallelism_becomes_equal() -> None:
    """The one setting of a tier that reaches the other: ROCM_ATTN is for tiers of different parallelism only."""
    found = changed(default(), ran(with_setting(AMD, "prefill.tensorParallel", 4)))
    assert found == {"prefill-deployment", "decode-deployment"}
