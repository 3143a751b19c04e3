"""A minimal legal stack file, and changes to it."""

import copy
from typing import Any

from components.config.problem import Problem, distinct
from components.config.reading import settings_of
from components.config.settings import Serving
from components.plan import check

BASE: dict[str, Any] = {
    "accelerator": "amd",
    "model": {"name": "amd/Llama-3.3-70B-Instruct-FP8-KV"},
}


def stack_file(**changes: Any) -> dict[str, Any]:
    """Return the minimal file with `changes`: keys are paths with `__` for the dot; the value 'DELETE' removes one."""
    serving = copy.deepcopy(BASE)
    for path, value in changes.items():
        *above, last = path.split("__")
        at = serving
        for key in above:
            at = at.setdefault(key, {})
        if value == "DELETE":
            del at[last]
        else:
            at[last] = value
    return serving


def settings(**changes: Any) -> Serving:
    result, problems = settings_of(stack_file(**changes))
    assert not problems, [problem.text() for problem in problems]
    return result


def problems(*, token_given: bool = True, **changes: Any) -> dict[str, Problem]:
    result, found = settings_of(stack_file(**changes))
    every = distinct([*found, *check(result, token_given=token_given)])
    return {problem.path: problem for problem in every}
