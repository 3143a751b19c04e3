"""The program does with the settings and the cluster of each typed case what the case says."""

import pytest

from tests.cases.run import corpus, differs

CASES = corpus()


@pytest.mark.parametrize("name", CASES, ids=list(CASES))
def test_a_case(name: str) -> None:
    assert not (different := list(differs(CASES[name]))), "\n".join(different)
