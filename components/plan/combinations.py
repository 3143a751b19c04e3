"""Which gateway, infrastructure, accelerator and release go together, found by asking the checks about every cell.

`python -m components.plan.combinations` writes the page; with `--check` a stale page is named, exit code 1.
"""

import sys
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import product
from typing import Any, NamedTuple

from components.config.generated import DOCS, filled, written
from components.config.problem import Problem
from components.config.reading import settings_of
from components.config.vocabulary import Accelerator, Infrastructure, Provider, ReleaseName
from components.plan.check import check


class Cell(NamedTuple):
    """One combination."""

    provider: Provider
    infrastructure: Infrastructure | None
    accelerator: Accelerator
    release: ReleaseName

    @property
    def serving(self) -> dict[str, Any]:
        chosen = {"infrastructure": self.infrastructure.value} if self.infrastructure else {}
        return {
            "accelerator": self.accelerator.value,
            "model": {"name": "meta-llama/Llama-3.3-70B-Instruct"},
            "release": self.release.value,
            "gateway": {"provider": self.provider.value},
            **chosen,
        }


@cache
def cells() -> Mapping[Cell, tuple[Problem, ...]]:
    """Every cell with what is wrong with it; nothing is wrong with a legal one."""
    every = product(Provider, (None, *Infrastructure), Accelerator, ReleaseName)
    return {cell: tuple(_problems(cell)) for cell in (Cell(*words) for words in every)}


def legal() -> list[Cell]:
    """The cells that are deployed."""
    return [cell for cell, problems in cells().items() if not problems]


def _problems(cell: Cell) -> Iterator[Problem]:
    settings, wrong = settings_of(cell.serving)
    yield from wrong
    yield from check(settings, token_given=True)


def page() -> str:
    """The generated part of the page."""
    reasons: dict[str, int] = {}
    tables = "".join(_table(provider, reasons) for provider in Provider)
    listed = "".join(f"{number}. {reason}\n" for reason, number in reasons.items())
    return f"{tables}\n## Reasons\n\n{listed}"


def _table(provider: Provider, reasons: dict[str, int]) -> str:
    columns = list(product(Accelerator, ReleaseName))
    heads = " | ".join(f"{accelerator}, {release}" for accelerator, release in columns)
    lines = ["", f"## {provider}", "", f"| infrastructure | {heads} |", "|---" * (len(columns) + 1) + "|"]
    for infrastructure in (None, *Infrastructure):
        row = [_cell(cells()[Cell(provider, infrastructure, *column)], reasons) for column in columns]
        name = f"[`{infrastructure}`](infrastructure.md#{infrastructure})" if infrastructure else "*unset*"
        lines.append(f"| {name} | {' | '.join(row)} |")
    return "\n".join(lines) + "\n"


def _cell(problems: tuple[Problem, ...], reasons: dict[str, int]) -> str:
    numbers = [reasons.setdefault(f"`{each.path}` {each.wrong}", len(reasons) + 1) for each in problems]
    return ", ".join(map(str, numbers)) or "yes"


def main(arguments: list[str]) -> int:
    """Write the page, or with `--check` say whether it is stale; the exit code."""
    file, module = DOCS / "combinations.md", "components.plan.combinations"
    return written({file: filled(file, module, page())}, module, check="--check" in arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
