"""Kubernetes quantities such as "500m" or "16Gi"."""

import re
from fractions import Fraction
from math import ceil

_QUANTITY = re.compile(r"([+-]?[0-9.]+)(?:([eE][+-]?[0-9]+)|([numkMGTPE]|[KMGTPE]i)?)")
_UNITS = {"n": Fraction(1, 10**9), "u": Fraction(1, 10**6), "m": Fraction(1, 1000)}
_UNITS |= {unit: Fraction(1000**power) for power, unit in enumerate(("", "k", "M", "G", "T", "P", "E"))}
_UNITS |= {f"{unit}i": Fraction(1024**power) for power, unit in enumerate("KMGTPE", start=1)}


def number(quantity: str) -> Fraction:
    """Return its value. Raises `ValueError` for what is none."""
    found = _QUANTITY.fullmatch(quantity)
    if not found:
        raise ValueError(f"{quantity!r} is no quantity")
    return Fraction(found[1] + (found[2] or "")) * _UNITS[found[3] or ""]


def divided(quantity: str, divisor: str) -> int:
    """Return how many divisors it takes to hold the quantity, as resourceFieldRef counts."""
    return ceil(number(quantity) / (number(divisor) or 1))
