"""Flags of a command line, read as vLLM's parser reads them."""

from typing import Any

import pytest

from components.releases.vllm import flag_of, flags_of
from sandbox.pods.vllm import flags_0_11, flags_0_17


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


@pytest.mark.parametrize("flags", [flags_0_11.FLAGS, flags_0_17.FLAGS], ids=["0.11", "0.17"])
def test_no_other_flag_of_vllm_is_taken_for_an_abbreviation(flags: dict[Any, str]) -> None:
    """Every long flag of the real parser is itself."""
    long = [each for text in flags.values() for word in text.split() for each in word.split("/") if each[:2] == "--"]
    assert {flag: flag_of(flag) for flag in long} == {flag: flag for flag in long}
