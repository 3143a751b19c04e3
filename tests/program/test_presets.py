"""Presets, standby pickers and tracing: objects as typed by hand."""

from typing import Any

import pytest

from tests.program.expected import layered
from tests.program.shape import differences
from tests.program.wire import AMD, Made, comparable, environment, made, pod, vllm
from tests.stack_file import problems

PRESETS = ("guide", "prefix-cache-aware", "load-aware")
COLLECTOR = {"endpoint": "http://otel:4317", "sampling": 0.25}


def _as_typed(stack: Made, **switches: Any) -> dict[str, tuple[Any, Any]]:
    """What differs from the layers of picker.yaml for these switches."""
    want = layered(("picker",), {"monitoring": True, **switches})
    return differences(want, comparable({key: each for key, each in stack.objects.items() if key in want}))


@pytest.mark.parametrize("release", ["0.4", "0.6"])
@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_is_the_configuration_that_was_typed_for_its_release(preset: str, release: str) -> None:
    stack = made({**AMD, "release": release, "routing": {"preset": preset}})
    assert _as_typed(stack, release=release, preset=preset) == {}


@pytest.mark.parametrize("release", ["0.4", "0.6"])
def test_several_pickers_elect_a_leader(release: str) -> None:
    stack = made({**AMD, "release": release, "routing": {"replicas": 2}})
    assert _as_typed(stack, release=release, replicas=2) == {}


def test_the_picker_sends_its_spans_to_the_collector() -> None:
    assert _as_typed(made({**AMD, "release": "0.6", "tracing": COLLECTOR}), release="0.6", tracing=True) == {}


def _sidecar(stack: Made) -> dict[str, str]:
    [sidecar] = pod(stack, "decode")["initContainers"]
    return {each["name"]: each["value"] for each in sidecar.get("env", [])}


def test_the_sidecar_and_vllm_send_spans_there_too() -> None:
    stack = made({**AMD, "tracing": {**COLLECTOR, "detailed": True}})
    variables = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://otel:4317",
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
        "OTEL_TRACES_SAMPLER_ARG": "0.25",
    }
    decode = "ms-pd-llm-d-modelservice-decode"
    assert _sidecar(stack) == {**variables, "OTEL_SERVICE_NAME": f"{decode}-sidecar"}
    assert environment(stack, "decode").items() >= {**variables, "OTEL_SERVICE_NAME": decode}.items()
    for role in ("prefill", "decode"):
        assert vllm(stack, role)["args"][-2:] == [
            "--otlp-traces-endpoint=http://otel:4317",
            "--collect-detailed-traces=all",
        ]


def test_release_0_4_traces_vllm_alone_and_says_so() -> None:
    stack = made({**AMD, "release": "0.4", "tracing": COLLECTOR})
    assert _as_typed(stack, release="0.4") == {}
    assert _sidecar(stack) == {}
    assert "--otlp-traces-endpoint=http://otel:4317" in vllm(stack, "prefill")["args"]
    assert any("only vLLM's" in str(message) for message in stack.notes)


@pytest.mark.parametrize(("written", "read"), [("0.5", "0.5"), (1, "1.0"), (0, "0.0")])
def test_a_fraction_may_be_text_as_the_cli_writes_it(written: object, read: str) -> None:
    stack = made({**AMD, "tracing": {**COLLECTOR, "sampling": written}})
    assert _sidecar(stack)["OTEL_TRACES_SAMPLER_ARG"] == read


@pytest.mark.parametrize("written", ["half", 1.5, -1])
def test_another_is_refused(written: object) -> None:
    assert list(problems(tracing={**COLLECTOR, "sampling": written})) == ["serving.tracing.sampling"]
