"""The files of infrastructures and the page that is written from them."""

from pathlib import Path

import pytest

from components import infrastructures
from components.config.vocabulary import Infrastructure
from components.infrastructures import page, profile
from components.releases.vllm import SET_VARIABLES
from sandbox.cluster.nodes import DEVICES, LABELS


def test_there_is_a_file_for_every_word_and_no_other() -> None:
    folder = Path(infrastructures.__file__).parent
    files = {file.stem for file in folder.glob("*.py")} - {"__init__", "page", "profile"}
    assert files == {word.replace("-", "_") for word in Infrastructure}


@pytest.mark.parametrize("word", Infrastructure)
def test_variables_are_in_the_place_that_settings_go_over(word: Infrastructure) -> None:
    chosen = profile(word)
    assert not chosen.env.keys() & SET_VARIABLES.keys()
    assert chosen.ucx.keys() <= {name for name, setting in SET_VARIABLES.items() if "serving.ucx" in setting}


def test_the_page_is_fresh(capsys: pytest.CaptureFixture[str]) -> None:
    assert page.main(["--check"]) == 0, capsys.readouterr().err


def test_the_sandboxs_nodes_offer_what_each_asks_for() -> None:
    profiles = {word.value: profile(word) for word in Infrastructure}
    assert {word: each.device.resource for word, each in profiles.items() if each.device} == DEVICES
    selected = {word: {key: one.value for key, one in each.node_selector.items()} for word, each in profiles.items()}
    assert {word: labels for word, labels in selected.items() if labels} == LABELS
