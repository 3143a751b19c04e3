"""Presets, standby pickers and tracing: objects as typed by hand."""

import copy
from typing import Any

import pytest

from tests.program.expected import layered
from tests.program.shape import differences, normal
from tests.program.wire import AMD, environment, pod, ran, vllm
from tests.recorder import Recorder
from tests.stack_file import problems

HASH = "llm-d.ai/config-sha256"
PRESETS = ("guide", "prefix-cache-aware", "load-aware")
COLLECTOR = {"endpoint": "http://otel:4317", "sampling": 0.25}


def _as_typed(recorder: Recorder, **switches: Any) -> dict[str, tuple[Any, Any]]:
    """What differs from the layers of picker.yaml for these switches."""
    want = layered(("picker",), {"monitoring": True, **switches})
    objects = copy.deepcopy({key: each for key, each in recorder.objects.items() if key in want})
    objects["Deployment/gaie-pd-epp"]["spec"]["template"]["metadata"]["annotations"][HASH] = "(checked apart)"
    return differences(want, normal(objects))


@pytest.mark.parametrize("release", ["0.4", "0.6"])
@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_is_the_configuration_that_was_typed_for_its_release(preset: str, release: str) -> None:
    recorder = ran({**AMD, "release": release, "routing": {"preset": preset}})
    assert _as_typed(recorder, release=release, preset=preset) == {}


@pytest.mark.parametrize("release", ["0.4", "0.6"])
def test_several_pickers_elect_a_leader(release: str) -> None:
    recorder = ran({**AMD, "release": release, "routing": {"replicas": 2}})
    assert _as_typed(recorder, release=release, replicas=2) == {}


def test_the_picker_sends_its_spans_to_the_collector() -> None:
    assert _as_typed(ran({**AMD, "tracing": COLLECTOR}), release="0.6", tracing=True) == {}


def _sidecar(recorder: Recorder) -> dict[str, str]:
    [sidecar] = pod(recorder, "decode")["initContainers"]
    return {each["name"]: each["value"] for each in sidecar.get("env", [])}


def test_the_sidecar_and_vllm_send_spans_there_too() -> None:
    recorder = ran({**AMD, "tracing": {**COLLECTOR, "detailed": True}})
    variables = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://otel:4317",
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
        "OTEL_TRACES_SAMPLER_ARG": "0.25",
    }
    decode = "ms-pd-llm-d-modelservice-decode"
    assert _sidecar(recorder) == {**variables, "OTEL_SERVICE_NAME": f"{decode}-sidecar"}
    assert environment(recorder, "decode").items() >= {**variables, "OTEL_SERVICE_NAME": decode}.items()
    for role in ("prefill", "decode"):
        assert vllm(recorder, role)["args"][-2:] == [
            "--otlp-traces-endpoint=http://otel:4317",
            "--collect-detailed-traces=all",
        ]


def test_release_0_4_traces_vllm_alone_and_says_so() -> None:
    recorder = ran({**AMD, "release": "0.4", "tracing": COLLECTOR})
    assert _as_typed(recorder, release="0.4") == {}
    assert _sidecar(recorder) == {}
    assert "--otlp-traces-endpoint=http://otel:4317" in vllm(recorder, "prefill")["args"]
    assert any("only vLLM's" in str(message) for message in recorder.messages)


def test_without_tracing_the_sidecar_samples_nothing() -> None:
    assert _sidecar(ran(AMD)) == {"OTEL_TRACES_SAMPLER_ARG": "0"}
    assert not [name for name in environment(ran(AMD), "decode") if name.startswith("OTEL")]


@pytest.mark.parametrize(("written", "read"), [("0.5", "0.5"), (1, "1.0"), (0, "0.0")])
def test_a_fraction_may_be_text_as_the_cli_writes_it(written: object, read: str) -> None:
    recorder = ran({**AMD, "tracing": {**COLLECTOR, "sampling": written}})
    assert _sidecar(recorder)["OTEL_TRACES_SAMPLER_ARG"] == read


@pytest.mark.parametrize("written", ["half", 1.5, -1])
def test_another_is_refused(written: object) -> None:
    assert list(problems(tracing={**COLLECTOR, "sampling": written})) == ["serving.tracing.sampling"]
