"""The live view on a terminal and in a file."""

import io

import pytest

from sandbox.talking.following import Journal, Screen

TABLE = ["POD   LEGS", "p-1   0", "d-1   0"]


def test_a_file_gets_what_is_new_only() -> None:
    out = io.StringIO()
    journal = Journal(out)

    journal.show("Sandbox 'x'", TABLE, [])
    journal.show("Sandbox 'x'", TABLE, [])
    journal.show("Sandbox 'x'", [*TABLE[:2], "d-1   1"], ["prefill p-1 → decode d-1"])

    said = [line.split("  ", 1)[1] for line in out.getvalue().splitlines()]
    assert said == ["Sandbox 'x'", *TABLE, "d-1   1", "prefill p-1 → decode d-1"]
    assert "\x1b" not in out.getvalue()


def test_a_terminal_is_drawn_anew_and_remembers_the_last_decisions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("LINES", "10")
    out = io.StringIO()
    screen = Screen(out)

    screen.show("Sandbox 'x'", TABLE, ["first " + "wide " * 20])
    screen.show("Sandbox 'x'", TABLE, ["second"])

    frames = out.getvalue().split("\x1b[H")[1:]
    assert len(frames) == 2
    lines = [line.removesuffix("\x1b[K") for line in frames[1].removesuffix("\x1b[J").splitlines()]
    assert lines[1:4] == TABLE
    assert lines[-1] == "second"
    assert all(len(line) < 40 for line in lines)
    assert len(lines) < 10
