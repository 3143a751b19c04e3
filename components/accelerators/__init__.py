"""Floor 2: GPU vendors as data, one file each, named as the word in the vocabulary.

A new one is that file and that word.
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
