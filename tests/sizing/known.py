"""Products and model shapes that the tests of sizing use."""

from functools import cache

from components.accelerators import PROFILES
from sizing import shape, table
from sizing.shape import Shape

CARDS = {name: card for profile in PROFILES.values() for name, card in profile.products.items()}
LLAMA = "RedHatAI/Llama-3.3-70B-Instruct-FP8-dynamic"


@cache
def shape_of(name: str) -> Shape:
    """Shape of a model of the table."""
    found = table.find(name)
    assert found, name
    read = shape.read(found.config)
    assert isinstance(read, Shape), read
    return read
