"""Layer 3: one file for each kind of cluster, with what its nodes ask of pods. No decision about a stack is here.

A new kind is its file, named as its word in the vocabulary with `_` for `-`, and that word. Only the chosen file is
read.
"""

from functools import cache
from importlib import import_module

from components.config.vocabulary import Infrastructure
from components.infrastructures.profile import Device, Fabric, InfrastructureProfile

UNSAID = InfrastructureProfile(
    title="unset",
    about="What the other settings say, and nothing else.",
    fabric=Fabric.TCP,
    adapters="asks for the device of `serving.rdma`, if that is set",
    source="",
)
"""What an unset `serving.infrastructure` counts as."""


@cache
def profile(infrastructure: Infrastructure | None) -> InfrastructureProfile:
    """The profile of an infrastructure; `UNSAID` where none is chosen."""
    if infrastructure is None:
        return UNSAID
    chosen = import_module(f"{__name__}.{infrastructure.replace('-', '_')}").PROFILE
    assert isinstance(chosen, InfrastructureProfile)
    return chosen


__all__ = ["UNSAID", "Device", "Fabric", "InfrastructureProfile", "profile"]
