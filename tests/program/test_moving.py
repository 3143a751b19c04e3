"""What another release changes on a stack, by resource: docs/releases.md, "Moving to another release"."""

from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml

from components.config.vocabulary import Preset, ReleaseName
from components.releases import RELEASES
from preflight import __main__ as command
from preflight.state import State
from tests.program.test_generations import state_of
from tests.program.wire import AMD, made, ran, remade
from tests.recorder import Recorder, run_program
from tests.stack_file import problems

TYPED: dict[str, str] = yaml.safe_load(Path(__file__).with_name("moved.yaml").read_text())
MOVED, BESIDE = (f"warning: {TYPED[each]}" for each in ("replaced", "beside"))


def _moved(before: str, after: str) -> set[str]:
    return remade(made({**AMD, "release": before}), made({**AMD, "release": after}))


def test_from_0_6_to_0_9_pool_route_and_gateway_stay() -> None:
    assert _moved("0.6", "0.9") == {
        "prefill-deployment",
        "decode-deployment",
        "endpoint-picker-deployment",
        "endpoint-picker-config",
        "endpoint-picker-role",
        "endpoint-picker-service",
        "monitoring-dashboard-serving",
        "monitoring-dashboard-disaggregation",
        "monitoring-alerts",
    }


def test_from_0_9_to_0_10_only_images_change() -> None:
    assert _moved("0.9", "0.10") == {"prefill-deployment", "decode-deployment", "endpoint-picker-deployment"}


def _deployed(**serving: Any) -> Recorder:
    """A state with the objects and outputs of a run with these settings."""
    run = ran({**AMD, **serving})
    return state_of(run, outputs=run.stack_outputs)


def _said(recorder: Recorder) -> list[str]:
    return [each for each in recorder.messages if "serving.release" in each]


def test_the_move_of_a_stack_that_names_no_release_is_announced_before_anything_is_touched() -> None:
    state = _deployed(release="0.6")
    with pytest.raises(pulumi.RunError, match="Nothing was touched"):
        run_program({**AMD, "preflight": "enforce"}, recorder=state)
    assert not state.declared
    assert _said(state) == [MOVED]


def test_a_second_generation_moves_to_the_default_beside_the_first() -> None:
    recorder = run_program({**AMD, "rollout": {"generation": "b"}}, recorder=_deployed(release="0.6"))
    assert _said(recorder) == [BESIDE]


def test_a_tier_that_stays_is_not_among_the_replaced_ones() -> None:
    own = {"image": "registry.example.com/vllm:v0.26.0", "env": {"USER": "llm-d"}}
    recorder = run_program({**AMD, "prefill": own}, recorder=_deployed(release="0.6", prefill=own))
    [note] = _said(recorder)
    assert "\nthe decode workers are replaced at once\n" in note


@pytest.mark.parametrize(
    ("before", "now"),
    [({"release": "0.6"}, {"release": "0.6"}), ({}, {}), ({"release": "0.6"}, {"release": "0.9"})],
)
def test_nothing_is_announced_where_the_release_stays_or_is_named(before: dict[str, Any], now: dict[str, Any]) -> None:
    assert not _said(run_program({**AMD, **now}, recorder=_deployed(**before)))
    assert not _said(ran(AMD)), "a new stack"


def test_the_command_of_the_preflight_says_it_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "_config", lambda _: command.Config(AMD, pulumi.Output.from_input("a token")))
    monkeypatch.setattr(command, "_state", lambda _: State(known=True, release="0.6"))
    assert command.main(["--stack", "amd"]) == 1, "there is no cluster"
    assert MOVED.splitlines()[0].removeprefix("warning: ") in capsys.readouterr().err


def test_what_the_default_refuses_and_the_former_one_did_not_names_the_former_default() -> None:
    own = RELEASES[ReleaseName.V0_6].picker_config(None, Preset.LOAD_AWARE).document()
    hint = '; or set serving.release: "0.6" (it is not set, and its default is "0.9")'
    [gate] = problems(routing__config=own).values()
    assert (gate.path, gate.change) == ("serving.routing.config.featureGates[0]", f"delete it{hint}")
    named = problems(release="0.9", routing__config=own, prefill__tensorParallel=3)
    assert not [each for each in named.values() if hint in each.change]
    both = problems(prefill__tensorParallel=3)
    assert not [each for each in both.values() if hint in each.change], "0.6 refuses it, too"
