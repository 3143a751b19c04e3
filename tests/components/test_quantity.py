from decimal import Decimal
from pathlib import Path

import pytest
import yaml

from components.quantity import amount

TYPED = yaml.safe_load(Path(__file__).with_name("quantities.yaml").read_text())


@pytest.mark.parametrize(("quantity", "number"), TYPED["numbers"].items())
def test_an_amount_is_the_number_that_kubernetes_reads(quantity: str, number: str) -> None:
    assert amount(quantity) == Decimal(number)


@pytest.mark.parametrize("text", TYPED["none"])
def test_what_kubernetes_does_not_read_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="is no quantity"):
        amount(text)
