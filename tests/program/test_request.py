"""The requests among the stack outputs, run in a shell against a real server of that model."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.program.wire import AMD
from tests.recorder import run_program
from tests.simulator import running

NAME = "the-team's-model"
"""A name that a shell would misread unless it is quoted."""


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with running(f"--served-model-name={NAME}", "--mode=echo") as number:  # in other modes an answer may be one token
        yield number


def _pasted(output: str, port: int) -> str:
    serving = {**AMD, "model": {**AMD["model"], "servedName": NAME}}
    command = run_program(serving).stack_outputs[output]
    assert command.count("http://localhost:8000/") == 1
    here = command.replace("http://localhost:8000/", f"http://127.0.0.1:{port}/")
    return subprocess.run(["sh", "-c", here], check=True, capture_output=True, text=True, timeout=30).stdout


def test_the_request_is_answered(port: int) -> None:
    answer = json.loads(_pasted("request", port))
    assert answer["choices"][0]["text"]
    assert answer["model"] == NAME


def test_the_streaming_request_is_answered_piece_by_piece(port: int) -> None:
    events = [line.removeprefix("data: ") for line in _pasted("streamingRequest", port).splitlines() if line]
    assert events[-1] == "[DONE]"
    assert len(events) > 3
    assert {json.loads(event)["model"] for event in events[:-1]} == {NAME}


TEMPLATE = '{{index .data "api.key" | base64decode}}'
KUBECTL = f"""#!/bin/sh
test "$*" = '--namespace llm get secret keys --output go-template={TEMPLATE}' && echo k3y
"""
CURL = """#!/bin/sh
for word in "$@"; do echo "$word"; done
"""


def test_the_request_carries_the_api_key_that_the_shell_reads(tmp_path: Path) -> None:
    for name, text in (("kubectl", KUBECTL), ("curl", CURL)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    security = {"apiKey": {"secret": "keys", "key": "api.key"}}
    serving = {**AMD, "namespace": "llm", "createNamespace": False, "security": security}
    command = run_program(serving).stack_outputs["request"]
    words = subprocess.run(
        ["sh", "-c", command],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    assert "Authorization: Bearer k3y" in words
    assert json.loads(words[-1])["max_tokens"] == 50
