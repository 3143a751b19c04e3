"""Real vLLM for all tests of this folder, or one line with the reason why there is none."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.cluster.api import connect
from sandbox.modelserver import environment
from tests.sandbox.running import private_home, throw_away
from tests.vllm.pair import STACK, Pair, sandbox

collect_ignore = [] if os.environ.get("RELEASE") else ["test_newer.py"]
_ORDER = ("answers", "costs", "drain", "flags", "transfer", "load", "errors", "crashes", "defects", "two_ranks")
"""Order of the files: tests that end a worker come last, so that few vLLM need a new start."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the tests of this folder."""
    places = {Path(__file__).with_name(f"test_{name}.py"): number for number, name in enumerate(_ORDER)}
    items.sort(key=lambda item: places.get(item.path, -1))


@pytest.fixture(scope="session")
def pair() -> Iterator[Pair]:
    """The pair of workers, after the request that `up` sends."""
    if unfit := environment.unfit():
        if os.environ.get("CI") and not environment.lacks_instructions():
            pytest.fail(f"in CI the proofs with real vLLM must run, and this machine cannot run it: {unfit}")
        pytest.skip(f"no proofs with real vLLM: {unfit}")
    home = private_home("vllm")
    try:
        done = sandbox(home, "up", "--stack", STACK, "--model-server", "vllm")
        assert done.returncode == 0, done.stdout
        with connect(home.host_kubeconfig) as api:
            yield Pair(home, api, done.stdout)
    finally:
        throw_away(home)
