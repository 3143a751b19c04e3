"""The size of a Kubernetes quantity, to compare two."""

import re
from decimal import Decimal

_PARTS = re.compile(r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))(?:[eE]([+-]?[0-9]+)|([KMGTPE]i)|([numkMGTPE]))?")
_BINARY = {unit: Decimal(1024) ** power for power, unit in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), start=1)}
_DECIMAL = {unit: Decimal(10) ** (3 * power) for power, unit in enumerate("num kMGTPE", start=-3)}


def amount(quantity: str) -> Decimal:
    """What a quantity such as `64Gi`, `500m` or `1e3` amounts to in its plain unit (bytes, cores, devices).

    Raises `ValueError` for what the API server would not accept as a quantity (apimachinery `resource.Quantity`).
    """
    parts = _PARTS.fullmatch(quantity)
    if not parts:
        raise ValueError(f"{quantity!r} is no quantity")
    number, exponent, binary, decimal = parts.groups()
    scale = Decimal(10) ** int(exponent) if exponent else _BINARY.get(binary) or _DECIMAL.get(decimal) or Decimal(1)
    return Decimal(number) * scale
