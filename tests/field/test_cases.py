"""The program reacts to every field case as the case says; an open case is still handled wrongly."""

import json
import sys
from collections.abc import Iterator

import pytest

from tests.field import seen
from tests.field.cases import Behaviour, Case, corpus, lacking

CASES = corpus()


def _differs(outcome: seen.Outcome, said: Behaviour) -> Iterator[str]:
    """In what an outcome is not as said."""
    if outcome.refused.keys() != said.refused.keys():
        yield f"refused: {json.dumps(outcome.refused, indent=1)}"
    for path, words in said.refused.items():
        yield from (f"{path}: no {word!r}" for word in words if word not in outcome.refused.get(path, ""))
    yield from seen.unwarned(said.warned, outcome.warned)
    if not said.refused:
        yield from lacking(said.deployed, outcome.objects)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.file}-{case.id}")
def test_a_field_case(case: Case) -> None:
    outcome = seen.of(case)
    assert not (different := list(_differs(outcome, case.today))), "\n".join(different)
    if case.open:
        assert list(_differs(outcome, case.right)), "is right now: take `open` out of the case"


def test_the_open_cases_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    still = [f"{case.file}-{case.id}" for case in CASES if case.open]
    with capsys.disabled():
        sys.stdout.write(
            f"\nfield cases: {len(CASES)}, open: {len(still)}{''.join(f'{chr(10)}  {each}' for each in still)}\n"
        )
