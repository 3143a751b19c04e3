"""How settings are read. `tests/corpus/files/settings.yaml` has those that are wrong by themselves."""

import json
from typing import Any

import pytest

from components.config.reading import settings_of
from components.config.vocabulary import Accelerator, ReleaseName
from tests.stack_file import problems, settings, stack_file


def test_all_problems_are_found_at_once() -> None:
    found = problems(
        hostnetwork=True, prefill__replicas="4", release=0.6, decode__env={"A B": "1"}, decode__tensorParallel=16
    )
    assert set(found) == {
        "serving.hostnetwork",
        "serving.prefill.replicas",
        "serving.release",
        'serving.decode.env["A B"]',
        "serving.decode.tensorParallel",
    }


def test_several_wrong_items_of_one_list_keep_their_places() -> None:
    found = problems(prefill__extraArgs=[1, "--seed=1", 2])
    assert set(found) == {"serving.prefill.extraArgs[0]", "serving.prefill.extraArgs[2]"}


@pytest.mark.parametrize("raw", ["text", [], 7, None])
def test_something_else_than_an_object_is_refused(raw: Any) -> None:
    _, [problem] = settings_of(raw)
    assert (problem.path, problem.wrong) == ("serving", "is not an object")


def test_values_that_may_be_tokens_are_not_shown() -> None:
    found = problems(prefill__env={"MY TOKEN": "hf_abc"}, hfToken="hf_abc", decode__token="hf_abc")
    assert len(found) == 3
    assert "hf_abc" not in "".join(problem.text() for problem in found.values())


def test_natural_spellings_are_accepted() -> None:
    """What `pulumi config set --path` writes: numbers for quantities and variables, comma lists for UCX."""
    result = settings(
        prefill__cpu=8,
        prefill__memory=1.5,
        prefill__env={"A": 1, "B": True, "C": 0.5, "D": "x"},
        ucx__tls="self, sm,rc",
        ucx__netDevices=["mlx5_[0-3]:1", "eth0"],
        ucx__ibGidIndex="auto",
        rdma={"resource": "rdma/ib", "count": "tensorParallel"},
    )
    assert (result.prefill.cpu, result.prefill.memory) == ("8", "1.5")
    assert result.prefill.env == {"A": "1", "B": "true", "C": "0.5", "D": "x"}
    assert result.ucx.tls == ["self", "sm", "rc"]
    assert result.rdma is not None
    assert result.rdma.count == "tensorParallel"


def test_the_word_null_is_meant_where_null_means_something() -> None:
    """`pulumi config set --path serving.decode.rdma null` writes the word."""
    unset = settings(rdma="null", infrastructure="null")
    assert (unset.rdma, unset.infrastructure) == (None, None)
    result = settings(model__tokenSecret="null", decode__rdma="null", rdma={"resource": "rdma/ib"})
    assert result.model.token_secret is None
    assert result.decode.rdma is None
    assert "rdma" in result.decode.model_fields_set


def test_the_least_file_is_the_guide() -> None:
    result = settings()
    assert result.accelerator is Accelerator.AMD
    assert result.release is ReleaseName.V0_9
    assert (result.prefill.replicas, result.prefill.tensor_parallel) == (4, 1)
    assert (result.decode.replicas, result.decode.tensor_parallel) == (1, 4)
    assert (result.namespace, result.postfix, result.create_namespace) == ("llm-d-pd", "pd", True)


def test_reading_changes_nothing_in_what_it_is_given() -> None:
    raw = stack_file(prefill__replicas="4")
    before = json.dumps(raw)
    settings_of(raw)
    assert json.dumps(raw) == before
