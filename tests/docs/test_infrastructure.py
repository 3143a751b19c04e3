"""The files of infrastructures, and the page that is generated from them."""

from pathlib import Path

import pytest

from components import infrastructures
from components.config.vocabulary import Infrastructure
from components.infrastructures import profile
from components.releases.vllm import SET_VARIABLES
from sandbox.cluster import description


def test_there_is_a_file_for_every_word_and_no_other() -> None:
    folder = Path(infrastructures.__file__).parent
    files = {file.stem for file in folder.glob("*.py")} - {"__init__", "page", "profile"}
    assert files == {word.replace("-", "_") for word in Infrastructure}


@pytest.mark.parametrize("word", Infrastructure)
def test_variables_are_in_the_place_that_settings_go_over(word: Infrastructure) -> None:
    chosen = profile(word)
    assert not chosen.env.keys() & SET_VARIABLES.keys()
    assert chosen.ucx.keys() <= {name for name, setting in SET_VARIABLES.items() if "serving.ucx" in setting}


@pytest.mark.parametrize("word", Infrastructure)
def test_the_sandbox_has_nodes_that_offer_what_it_asks_for(word: Infrastructure) -> None:
    chosen = profile(word)
    group = description.read(description.find(word.value)).for_accelerator("amd" if "amd" in chosen.only else "nvidia")[
        0
    ]
    assert ({chosen.device.resource} if chosen.device else set()) == group.rdma.keys()
    assert {key: each.value for key, each in chosen.node_selector.items()}.items() <= group.labels.items()
    assert not chosen.only or group.gpu_resource in {f"{vendor}.com/gpu" for vendor in chosen.only}
