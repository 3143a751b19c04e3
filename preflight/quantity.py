"""Amounts of resources: Kubernetes' quantities as whole numbers of thousandths."""

from collections.abc import Mapping
from functools import cache
from math import ceil

from components.config.fields import HUGE_PAGES
from components.quantity import amount

Amounts = dict[str, int]
"""Thousandths of each resource."""


@cache
def thousandths(text: str) -> int:
    """A quantity such as 500m, 64Gi or 8, in thousandths, rounded up as Kubernetes does."""
    return ceil(amount(text.strip()) * 1000)


def amounts(given: Mapping[str, object] | None) -> Amounts:
    """Quantities of requests, limits or a node as thousandths."""
    return {name: thousandths(str(text)) for name, text in (given or {}).items()}


def total(*several: Mapping[str, int]) -> Amounts:
    """The sum for each resource."""
    result: Amounts = {}
    for each in several:
        for name, one in each.items():
            result[name] = result.get(name, 0) + one
    return result


def spoken(name: str, given: int) -> str:
    """An amount for people: bytes as Gi, CPUs and devices as they are."""
    value = given / 1000
    if name.rpartition(".")[2] == "memory" or name.endswith("storage") or HUGE_PAGES in name:
        value, unit = value / 1024**3, "Gi"
    else:
        unit = ""
    return f"{value:.10g}{unit}" if value == int(value) else f"{value:.1f}{unit}"
