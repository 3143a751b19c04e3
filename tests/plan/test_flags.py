"""Flags of a command line, read as vLLM's parser reads them."""

import pytest

from components.releases.vllm import flag_of, flags_of
from sandbox.modelserver.command_line import flags


@pytest.mark.parametrize(
    ("arguments", "name", "value"),
    [
        (["--host=::"], "--host", "::"),
        (["--hos", "::"], "--host", "::"),
        (["--api_k=x"], "--api-key", "x"),
        (["--pipeline-parallel", "2"], "--pipeline-parallel-size", "2"),
        (["--data-parallel-size", "2"], "--data-parallel-size", "2"),
        (["--kv-transfer-config.kv_role", "x"], "--kv-transfer-config", "x"),
        (["--max_model_len=5"], "--max-model-len", "5"),
        (["-tp=2"], "--tensor-parallel-size", "2"),
        (["-n2"], "--nnodes", "2"),
        (["-n=2"], "--nnodes", "2"),
        (["-n", "2"], "--nnodes", "2"),
        (["-qfp8"], "--quantization", "fp8"),
        (["-asc=0"], "--api-server-count", "0"),
        (["-O3"], "-O3", None),
        (["--headless", "--port=1"], "--headless", None),
        (["--s"], "--s", None),
    ],
    ids=str,
)
def test_a_flag_in_every_spelling(arguments: list[str], name: str, value: str | None) -> None:
    first = next(flags_of(arguments))
    assert (first.name, first.value) == (name, value)


def test_a_negative_number_is_no_flag() -> None:
    assert list(flags_of(["-1", "0.9"])) == []


@pytest.mark.parametrize("version", ["0.11.2", "0.17.1"])
def test_no_other_flag_of_vllm_is_taken_for_an_abbreviation(version: str) -> None:
    """Every long flag of the real parser is itself."""
    known, _ = flags(version)
    long = [each for words in known.values() for word in words for each in word.split("/") if each[:2] == "--"]
    assert {flag: flag_of(flag) for flag in long} == {flag: flag for flag in long}
