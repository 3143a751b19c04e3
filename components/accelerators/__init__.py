"""Layer 2: one file for each GPU vendor, with all that differs between vendors. No decision about a stack is here.

A new vendor is its file, named as its word in the vocabulary, and that word.
"""

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType

from components.accelerators.profile import AcceleratorProfile, Image
from components.config.vocabulary import Accelerator

PROFILES: Mapping[Accelerator, AcceleratorProfile] = MappingProxyType(
    {word: import_module(f"{__name__}.{word}").PROFILE for word in Accelerator}
)

__all__ = ["PROFILES", "AcceleratorProfile", "Image"]
