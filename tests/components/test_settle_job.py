"""The script of the Job `settle`, against a gateway that changes its mind."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from components.gateways.asking import SCRIPT
from tests.http_server import Handler, listening

Answer = tuple[int, str | None]


@contextmanager
def gateway(*answers: Answer) -> Iterator[tuple[int, list[str]]]:
    """A server with these answers, the last one again and again; and the paths that it was asked, with their host."""
    asked: list[str] = []

    class Gateway(Handler):
        def do_GET(self) -> None:
            status, word = answers[min(len(asked), len(answers) - 1)]
            asked.append(f"{self.headers['Host']}{self.path}")
            self.answer(status, headers={} if word is None else {"x-llm-d-generation": word})

    with listening(Gateway) as port:
        yield port, asked


def settled(port: int, word: str, **more: str) -> tuple[int, str]:
    env = {
        "GENERATION": word,
        "NAMED": "true",
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "TLS": "false",
        "ASK": "/a/v1/models",
        "HEADERS": '{"Host": "a.example.com"}',
        "SECONDS": "1",
        "LIMIT": "3",
        **more,
    }
    done = subprocess.run([sys.executable, "-c", SCRIPT], env=env, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout.strip()


def test_it_ends_once_every_answer_came_from_the_new_generation() -> None:
    with gateway((200, None), (200, "b"), (500, "b"), (200, "a"), (401, "b")) as (port, asked):
        assert settled(port, "b") == (0, "all answers for 1 s came from generation b")
    assert asked[0] == "a.example.com/a/v1/models"
    assert len(asked) >= 4 + 5


@pytest.mark.parametrize(
    ("answer", "word", "says"),
    [
        ((200, "a"), "b", "status 200, x-llm-d-generation: a"),
        ((200, None), "b", "x-llm-d-generation: none"),
        ((503, None), "", "status 503"),
        ((200, "b"), "", "x-llm-d-generation: b"),
    ],
)
def test_it_fails_with_the_last_wrong_answer(answer: Answer, word: str, says: str) -> None:
    with gateway(answer) as (port, _):
        code, text = settled(port, word, LIMIT="0.5")
    assert code == 1
    assert says in text


def test_the_unnamed_generation_is_no_header() -> None:
    with gateway((200, "b"), (200, None)) as (port, _):
        assert settled(port, "") == (0, "all answers for 1 s came from the unnamed generation")


def test_a_gateway_that_does_not_answer_is_a_wrong_answer() -> None:
    code, text = settled(1, "b", LIMIT="0.5")
    assert (code, "no answer" in text) == (1, True)


def test_without_names_it_waits_and_asks_nothing() -> None:
    with gateway((200, "a")) as (port, asked):
        assert settled(port, "b", NAMED="false")[0] == 0
    assert asked == []
