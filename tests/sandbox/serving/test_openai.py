"""The official OpenAI client against the port that `make up` prints."""

import os
import subprocess
import sys
from collections.abc import Iterator

import openai
import pytest

from tests.docs.pages import blocks
from tests.sandbox.running import Running
from tests.sandbox.serving.traffic import Traffic, traffic
from tests.sandbox.stack.deployment import deployment, destroyed_afterwards

pytestmark = pytest.mark.thorough

ALL_TOKENS = {"ignore_eos": True}
"""Otherwise the simulator ends its answers at random."""


@pytest.fixture(scope="module")
def serving(cluster: Running) -> Iterator[Traffic]:
    with destroyed_afterwards(deployment(cluster, "nvidia")) as made:
        made.up()
        with traffic(made) as requests:
            yield requests


@pytest.fixture(scope="module")
def model(serving: Traffic) -> str:
    return serving.model


@pytest.fixture
def client(serving: Traffic) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"http://127.0.0.1:{serving.port}/v1", api_key="none", max_retries=0, timeout=120)


def test_models_lists_the_model_of_the_stack(client: openai.OpenAI, model: str) -> None:
    assert [one.id for one in client.models.list()] == [model]


def test_a_chat_is_answered(client: openai.OpenAI, model: str) -> None:
    answer = client.chat.completions.create(model=model, messages=[{"role": "user", "content": "hi"}], max_tokens=8)
    assert answer.choices[0].message.content
    assert answer.usage is not None
    assert answer.usage.completion_tokens <= 8


def test_a_streamed_chat_is_answered(client: openai.OpenAI, model: str) -> None:
    chunks = list(
        client.chat.completions.create(
            model=model,
            messages=[{"role": "user", "content": "hi"}],
            max_tokens=8,
            stream=True,
            stream_options={"include_usage": True},
            extra_body=ALL_TOKENS,
        )
    )
    said = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]
    assert len(said) == 8, "token by token"
    assert chunks[-1].usage is not None
    assert any(chunk.choices and chunk.choices[0].finish_reason for chunk in chunks)


def test_a_completion_is_answered(client: openai.OpenAI, model: str) -> None:
    answer = client.completions.create(model=model, prompt="Once upon a time", max_tokens=8)
    assert answer.choices[0].text


def test_a_streamed_completion_is_answered(client: openai.OpenAI, model: str) -> None:
    chunks = client.completions.create(model=model, prompt="hi", max_tokens=8, stream=True, extra_body=ALL_TOKENS)
    assert len([chunk for chunk in chunks if chunk.choices and chunk.choices[0].text]) == 8


def test_errors_of_the_worker_are_passed_through(client: openai.OpenAI, model: str) -> None:
    with pytest.raises(openai.NotFoundError, match="does not exist"):
        client.completions.create(model="another/model", prompt="hi")
    with pytest.raises(openai.BadRequestError, match="max_tokens must be at least 1, got -1"):
        client.completions.create(model=model, prompt="hi", max_tokens=-1)


def test_every_answer_had_a_prefill_leg(serving: Traffic, client: openai.OpenAI, model: str) -> None:
    def send() -> None:
        client.completions.create(model=model, prompt="a new prompt", max_tokens=4)

    assert serving.counted(send).totals == (1, 1)


def test_the_example_in_the_docs_runs(serving: Traffic) -> None:
    [example] = [block.text for block in blocks("python") if "openai" in block.text]
    place = {"OPENAI_BASE_URL": f"http://127.0.0.1:{serving.port}/v1", "OPENAI_API_KEY": "none"}
    command = [sys.executable, "-c", example]
    done = subprocess.run(command, env={**os.environ, **place}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answer, streamed = done.stdout.split("\n", 1)
    assert "CompletionUsage" in answer
    assert streamed.strip()
