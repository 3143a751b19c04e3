"""The program after a preflight: it warns, stops or continues; what it remembers; what adopt asks of the plugin."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pulumi
import pytest

from tests.preflight.typed import CLASSES, KUBECONFIG, SPACE, Typed, serving, whole
from tests.program.test_generations import generation, state_of
from tests.program.wire import AMD, default, ran
from tests.recorder import Recorder, run_program

PROVIDER = "pulumi:providers:kubernetes"
TARGET = "llm-d-pd:index:TargetCluster"
NOWHERE = "is not looked at: the API server does not answer"


def _inputs(recorder: Recorder, kind: str) -> dict[str, Any]:
    [found] = [each for each in recorder.declared.values() if each.type == kind]
    return found.inputs


def _refused(**changes: Any) -> str:
    recorder = Recorder()
    with pytest.raises(pulumi.RunError) as caught:
        run_program({**AMD, **changes}, recorder=recorder)
    assert not recorder.declared, "nothing is registered"
    return str(caught.value)


def test_without_a_cluster_one_line_says_so() -> None:
    recorder = run_program(AMD)
    [line] = [message for message in recorder.messages if "preflight" in message]
    assert line.startswith("info: ")
    assert NOWHERE in line
    assert recorder.objects


@pytest.mark.parametrize("changes", [{"preflight": "enforce"}, {"adopt": True}, {"adopt": True, "preflight": "off"}])
def test_who_enforces_does_not_go_on_without_a_cluster(changes: dict[str, Any]) -> None:
    text = _refused(**changes)
    assert NOWHERE in text
    assert "`pulumi config set --path serving.preflight warn`" in text
    assert "Nothing was touched." in text


def test_yaml_s_off_is_understood() -> None:
    assert run_program({**AMD, "preflight": False}).objects


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Typed]:
    """A cluster of typed answers behind a real HTTP server, which the kubeconfig leads to; nothing is wrong with it."""
    found = Typed(whole())
    for path in (SPACE, f"{SPACE}/secrets/llm-d-hf-token"):  # the stack's to make
        del found.answers[path]
    with serving(found) as server:
        (tmp_path / "kubeconfig").write_text(KUBECONFIG.format(server=server))
        yield found


def _stack_of(uid: str) -> Recorder:
    """A stack that remembers a cluster."""
    return Recorder({f"urn:pulumi:test::llm-d-pd::{TARGET}::target-cluster": {"type": TARGET, "outputs": {"uid": uid}}})


def test_a_cluster_without_fault_is_a_line(cluster: Typed) -> None:
    recorder = run_program({**AMD, "preflight": "enforce"})
    [message] = [message for message in recorder.messages if "preflight" in message]
    assert message.startswith("info: "), message
    assert "nothing in the way, 1 note\n" in message


def test_an_error_is_a_warning_unless_it_is_enforced(cluster: Typed) -> None:
    cluster.answers[CLASSES] = {"items": []}
    recorder = run_program(AMD)
    [message] = [message for message in recorder.messages if "preflight" in message]
    assert message.startswith("warning: preflight of context typed")
    assert "so this stops nothing" in message
    assert recorder.objects
    assert "1. error: gateway class (serving.gateway.provider)" in _refused(preflight="enforce")


def test_who_may_only_look_previews(cluster: Typed) -> None:
    cluster.rights = False
    recorder = run_program({**AMD, "preflight": "enforce"}, preview=True)
    assert any("note: rights" in message for message in recorder.messages)
    assert "error: rights" in _refused(preflight="enforce")


@pytest.mark.parametrize("preflight", ["enforce", "warn", "off"])
def test_another_cluster_stops_everybody(cluster: Typed, preflight: str) -> None:
    recorder = _stack_of("2222")
    with pytest.raises(pulumi.RunError, match="another cluster"):
        run_program({**AMD, "preflight": preflight}, recorder=recorder)
    assert not recorder.declared


def test_a_switch_that_the_state_lacks_is_not_gone_back_from(cluster: Typed) -> None:
    """A kill between the change of the route and its record: the state has the unnamed generation."""
    path = "/apis/gateway.networking.k8s.io/v1/namespaces/llm-d-pd/httproutes/llm-d-pd-disaggregation"
    rules = [{"backendRefs": [{"name": "gaie-pd-b"}]}]
    cluster.answers[path] = {"metadata": {"uid": "1"}, "spec": {"rules": rules}}
    recorder = state_of(default(), ran(generation("b")), default())
    with pytest.raises(pulumi.RunError, match="requests are led to generation b; the stack's state has the unnamed"):
        run_program(AMD, recorder=recorder)
    assert run_program(generation("b"), recorder=recorder).objects


def test_off_asks_only_which_cluster_it_is(cluster: Typed) -> None:
    run_program({**AMD, "preflight": "off"})
    assert [each.path for each in cluster.asked] == ["/api/v1/namespaces/kube-system"]


def _remembered(recorder: Recorder) -> list[Any]:
    return [outputs["uid"] for urn, outputs in recorder.outputs.items() if TARGET in urn]


def test_the_cluster_is_remembered(cluster: Typed) -> None:
    assert _remembered(run_program(AMD)) == ["1111"]


def test_the_cluster_stays_remembered_without_one() -> None:
    assert _remembered(run_program(AMD)) == [""]
    assert _remembered(run_program(AMD, recorder=_stack_of("2222"))) == ["2222"]


def test_adopting_is_asked_of_the_plugin(cluster: Typed) -> None:
    switches = {"upsertExistingObjects": "true", "enablePatchForce": "true"}
    assert switches.items() <= _inputs(run_program({**AMD, "adopt": True}), PROVIDER).items()
    assert not switches.keys() & _inputs(run_program(AMD), PROVIDER).keys()
