"""Spans of the real routing sidecar at a real collector, with and without `serving.tracing`."""

import threading
from typing import Any

import pytest

from components.plan import resolve
from tests.collector import Span, listening
from tests.picker import real
from tests.picker.test_rendered import arguments, status
from tests.stack_file import settings

REQUESTS = 60
"""A sidecar without a sampling rate traces a tenth of its requests. With this many, the chance that it traces none is
1 in 500."""
SERVICE = "ms-pd-llm-d-modelservice-decode-sidecar"


def _spans(variables: dict[str, str], release: str = "0.6", wanted: int = 0) -> list[Span]:
    """What arrives while a sidecar with these variables is asked; where none is wanted, within a second."""
    spans: list[Span] = []
    command, port = arguments(release)
    with listening("127.0.0.1:0", spans.append) as collector:
        here = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector}", "OTEL_BSP_SCHEDULE_DELAY": "100"}
        with real.sidecar(release, command, {**variables, **here}) as process:
            assert real.until(lambda: status(port, "/health") is not None or process.poll() is not None)
            askers = [threading.Thread(target=_ask, args=(port, REQUESTS // 4)) for _ in range(4)]
            for each in askers:
                each.start()
            for each in askers:
                each.join()
            real.until(lambda: len(spans) >= (wanted or 1), 10 if wanted else 1)
    return spans


def _ask(port: int, times: int) -> None:
    for _ in range(times):
        status(port, "/health")


def _variables(**changes: Any) -> dict[str, str]:
    return resolve(settings(release="0.6", **changes)).decode.sidecar.env


def test_the_sidecar_sends_the_spans_that_are_asked_for() -> None:
    spans = _spans(_variables(tracing={"endpoint": "http://collector:4317", "sampling": 1}), wanted=REQUESTS)
    assert len(spans) >= REQUESTS
    assert {each["service"] for each in spans} == {SERVICE}


def test_it_sends_none_unasked() -> None:
    assert _spans(_variables()) == []


def test_without_variables_spans_would_be_sent() -> None:
    """Or there would be nothing to tell."""
    assert _spans({}, wanted=1)


@pytest.mark.parametrize("variables", [{}, {"OTEL_TRACES_SAMPLER_ARG": "1"}])
def test_the_older_sidecar_makes_none_whatever_it_is_variables(variables: dict[str, str]) -> None:
    assert _spans(variables, "0.4") == []
