"""Flags of a command line, read as vLLM's parser reads them."""

from pathlib import Path

import pytest
import yaml

from components.releases.vllm import flag_of, flags_of
from sandbox.modelserver.command_line import flags

FLAGS = yaml.safe_load(Path(__file__).with_name("flags.yaml").read_text())


@pytest.mark.parametrize(("arguments", "name", "value"), FLAGS, ids=str)
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
