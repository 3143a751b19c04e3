"""Legal settings that may be a mistake: accepted, with a warning that names the setting."""

from typing import Any

import pytest

from components.plan import resolve
from tests.stack_file import problems, settings


@pytest.mark.parametrize(
    ("changes", "path", "words"),
    [
        (
            {"prefill__rollout": {"startupBudget": 100, "terminationGrace": 20, "updateTimeout": 480}},
            "serving.prefill.rollout.updateTimeout",
            "4 x (grace 20 s + start-up budget 100 s)",
        ),
        ({"decode__rollout__createTimeout": 1800}, "serving.decode.rollout.createTimeout", "budget (1800 s)"),
        ({"monitoring__pickerInterval": "76s"}, "serving.monitoring.pickerInterval", "longer than 75 s"),
        ({"decode__memory": "8Gi"}, "serving.decode.memory", "/dev/shm (16Gi)"),
    ],
)
def test_what_may_work_is_a_warning(changes: dict[str, Any], path: str, words: str) -> None:
    assert not problems(**changes)
    assert [path in note and words in note for note in resolve(settings(**changes)).notes] == [True]
