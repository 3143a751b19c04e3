from decimal import Decimal

import pytest

from components.quantity import amount


@pytest.mark.parametrize(
    ("quantity", "plain"),
    [
        ("8", "8"),
        ("0.5", "0.5"),
        (".5", "0.5"),
        ("500m", "0.5"),
        ("250u", "0.00025"),
        ("100n", "0.0000001"),
        ("2k", "2000"),
        ("64G", "64000000000"),
        ("64Gi", "68719476736"),
        ("1Ki", "1024"),
        ("1Ei", "1152921504606846976"),
        ("1E", "1000000000000000000"),
        ("1e3", "1000"),
        ("5E-1", "0.5"),
        ("+3", "3"),
    ],
)
def test_an_amount_is_the_number_that_kubernetes_reads(quantity: str, plain: str) -> None:
    assert amount(quantity) == Decimal(plain)


@pytest.mark.parametrize("text", ["", "64GB", "1 Gi", "ten"])
def test_what_kubernetes_does_not_read_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="is no quantity"):
        amount(text)
