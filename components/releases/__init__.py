"""Layer 2: one file for each llm-d release: image pins, and the dialects of EPP, routing sidecar and vLLM.

A new release is its file and a line here.
"""

from collections.abc import Mapping
from types import MappingProxyType

from components.config.vocabulary import ReleaseName
from components.releases.release import PickerResources, Release
from components.releases.v0_4 import V0_4
from components.releases.v0_6 import V0_6
from components.releases.v0_9 import V0_9
from components.releases.v0_10 import V0_10

RELEASES: Mapping[ReleaseName, Release] = MappingProxyType(
    {ReleaseName.V0_10: V0_10, ReleaseName.V0_9: V0_9, ReleaseName.V0_6: V0_6, ReleaseName.V0_4: V0_4}
)

__all__ = ["RELEASES", "PickerResources", "Release"]
