"""Floor 2: GPU vendors as data, one file each. A new vendor is one file and one line here."""

from collections.abc import Mapping
from types import MappingProxyType

from components.accelerators.amd import AMD
from components.accelerators.nvidia import NVIDIA
from components.accelerators.profile import AcceleratorProfile
from components.config.vocabulary import Accelerator

PROFILES: Mapping[Accelerator, AcceleratorProfile] = MappingProxyType(
    {Accelerator.AMD: AMD, Accelerator.NVIDIA: NVIDIA},
)

__all__ = ["PROFILES", "AcceleratorProfile"]
