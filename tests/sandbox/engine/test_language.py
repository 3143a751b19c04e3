"""The language host: every failure of a program fails the command, once, with its traceback."""

from pathlib import Path

import pytest

from tests.sandbox.engine.harness import Stack

pytestmark = pytest.mark.thorough


@pytest.mark.parametrize(
    ("program", "error"),
    [
        ('def deep():\n    raise ValueError("broken")\ndeep()', "ValueError: broken"),
        ("import pulumi\npulumi.Output.from_input(0).apply(lambda n: 1 / n)", "ZeroDivisionError"),
    ],
)
def test_a_failed_program_fails_the_command(tmp_path: Path, program: str, error: str) -> None:
    output = Stack.make(tmp_path, program=program).preview().failed().output
    diagnostics = output[output.index("Diagnostics:") :]
    assert diagnostics.count(error) == 1
    assert "Traceback" in diagnostics
