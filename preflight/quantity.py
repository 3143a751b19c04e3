"""Amounts of resources: Kubernetes' quantities as whole numbers of thousandths."""

import re
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from math import ceil

_FORM = re.compile(r"([+-]?[0-9.]+)([eE][+-]?[0-9]+)?([a-zA-Z]*)")
_SUFFIX = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "": Decimal(1),
    **{letter: Decimal(1000) ** power for power, letter in enumerate("kMGTPE", 1)},
    **{f"{letter}i": Decimal(1024) ** power for power, letter in enumerate("KMGTPE", 1)},
}

Amounts = dict[str, int]
"""Thousandths of each resource."""


@cache
def thousandths(text: str) -> int:
    """A quantity such as 500m, 64Gi or 8, in thousandths, rounded up as Kubernetes does."""
    number, exponent, suffix = _FORM.fullmatch(text.strip()).groups("")  # type: ignore[union-attr]  # it has one
    exact = Decimal(f"{number}{exponent}") * _SUFFIX[suffix] * 1000
    return ceil(exact)


def amounts(given: Mapping[str, object] | None) -> Amounts:
    """Requests, limits or what a node has."""
    return {name: thousandths(str(text)) for name, text in (given or {}).items()}


def total(*several: Mapping[str, int]) -> Amounts:
    """The sum."""
    result: Amounts = {}
    for each in several:
        for name, amount in each.items():
            result[name] = result.get(name, 0) + amount
    return result


def spoken(name: str, amount: int) -> str:
    """An amount for people: bytes as Gi, CPUs and devices as they are."""
    value = amount / 1000
    if name.rpartition(".")[2] == "memory" or name.endswith("storage"):
        value, unit = value / 1024**3, "Gi"
    else:
        unit = ""
    return f"{value:.10g}{unit}" if value == int(value) else f"{value:.1f}{unit}"
