"""Problems of a stack file, and the report of all of them that ends the program."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pulumi
import yaml

SHOWN = 120
"""Characters of a value that a message shows at most."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with the settings.

    `path` is the config path as `pulumi config set --path` takes it, `value` what stands there, `wrong` what is wrong
    with it, `outcome` what would have happened, `change` what to change.
    """

    path: str
    value: Any
    wrong: str
    outcome: str
    change: str

    def text(self) -> str:
        return (
            f"{self.path}{shown(self.value)}\n"
            f"  wrong:   {self.wrong}\n"
            f"  outcome: {self.outcome}\n"
            f"  change:  {self.change}"
        )


class Hidden:
    """Stands for a value that a message must not show: it is, or may be, a secret."""


def shown(value: Any) -> str:
    """` = <value>` as it would be written in the stack file, on one line; nothing for an absent or hidden value."""
    if isinstance(value, Hidden):
        return ""
    if value is None:
        return " = null"
    flow = yaml.safe_dump(value, default_flow_style=True, width=10_000, allow_unicode=True).strip()
    line = flow.removesuffix("...").strip()
    return f" = {line if len(line) <= SHOWN else line[: SHOWN - 1] + '…'}"


def refuse(stack: str, problems: Iterable[Problem]) -> None:
    """Stop the program when there are problems.

    Raises `pulumi.RunError`, of which the language host prints the text alone; called before the first resource.
    """
    found = distinct(problems)
    if not found:
        return
    count = "1 problem" if len(found) == 1 else f"{len(found)} problems"
    body = "\n\n".join(f"{number}. {problem.text()}" for number, problem in enumerate(found, 1))
    raise pulumi.RunError(f"Pulumi.{stack}.yaml cannot be deployed: {count}. Nothing was touched.\n\n{body}\n")


def distinct(problems: Iterable[Problem]) -> list[Problem]:
    """The problems without repetitions, by path: one problem per cause.

    A problem with a whole object is left out if an earlier problem is about a field of this object.
    """
    kept: dict[str, Problem] = {}
    for problem in problems:
        if not any(path == problem.path or path.startswith((f"{problem.path}.", f"{problem.path}[")) for path in kept):
            kept[problem.path] = problem
    return sorted(kept.values(), key=lambda problem: problem.path)
