"""Parses lines of a gateway's log; test_serving.py proves that Envoy writes them."""

import json
from datetime import UTC, datetime

import pytest

from sandbox.network.istio import FORMAT, Access, read_access

LINE = {
    "start": "2026-01-01T10:00:00.250+00:00",
    "id": "d4c0ff2a",
    "method": "POST",
    "path": "/v1/completions",
    "route": "models.chat.0.0",
    "status": 200,
    "flags": "-",
    "details": "via_upstream",
    "decode": "10.244.0.7:8000",
    "prefill": "10.244.0.4:8000",
    "upstream": "10.244.0.7:8000",
    "attempts": 1,
    "picked_us": 1877,
    "first_byte_us": 4129,
    "total_us": 5903,
    "received": 79,
    "sent": 318,
}


def test_a_line_becomes_an_access() -> None:
    access = read_access(json.dumps(LINE) + "\n")
    assert access
    assert access.start == datetime(2026, 1, 1, 10, 0, 0, 250_000, UTC)
    assert (access.decode, access.prefill, access.as_picked) == ("10.244.0.7:8000", "10.244.0.4:8000", True)
    assert (access.picked_us, access.first_byte_us, access.total_us) == (1877, 4129, 5903)
    elsewhere = read_access(json.dumps({**LINE, "upstream": "10.244.0.8:8000"}))
    assert elsewhere
    assert not elsewhere.as_picked


def test_every_field_has_its_operator() -> None:
    assert FORMAT.keys() == LINE.keys() >= Access.__dataclass_fields__.keys()


@pytest.mark.parametrize(
    "line",
    ["", "[2026-01-01][warning] hello", '{"start": ', '{"start": "x"}', json.dumps({**LINE, "start": None}), "[1]"],
)
def test_other_lines_are_ignored(line: str) -> None:
    assert read_access(line) is None
