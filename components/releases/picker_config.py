"""The picker's configuration as typed data: its shape, which every picker decodes strictly."""

from typing import Any, Literal

from pydantic import ConfigDict

from components.config.strict import Strict

LONGEST_CONTEXT_BLOCKS = 8192
"""Blocks of 16 tokens in a prompt of 131072, the longest context of the guides' models. The guides' 256 see the first
4096 tokens only: where a decision hangs on it, longer prompts would count as new however often they come."""


class _Part(Strict):
    model_config = ConfigDict(populate_by_name=True)  # written by our own code, too


class Plugin(_Part):
    """A plugin with its parameters; pickers decode those loosely, so that a misspelt one is ignored."""

    type: str
    """What it is."""
    name: str | None = None
    """What others refer to it by; default: its type."""
    parameters: dict[str, Any] | None = None
    """Its parameters."""

    @property
    def called(self) -> str:
        """What others refer to it by."""
        return self.name or self.type


class Reference(_Part):
    """A plugin within a profile."""

    plugin_ref: str
    """Its name."""
    weight: int | float | None = None
    """How much its score counts."""


class Profile(_Part):
    """How pods of one role are chosen: filters, scorers and a picker, in order."""

    name: str
    """The role."""
    plugins: list[Reference]
    """What takes part."""


class PickerConfig(_Part):
    """An EndpointPickerConfig."""

    api_version: Literal["inference.networking.x-k8s.io/v1alpha1"] = "inference.networking.x-k8s.io/v1alpha1"
    """Group and version, the same in every release of ours."""
    kind: Literal["EndpointPickerConfig"] = "EndpointPickerConfig"
    """Kind."""
    feature_gates: list[str] | None = None
    """Experimental parts of the picker that are switched on."""
    plugins: list[Plugin]
    """All plugins; one that another's parameters name stands before it."""
    scheduling_profiles: list[Profile]
    """One profile per role."""

    def document(self) -> dict[str, Any]:
        """As it stands in the file."""
        return self.model_dump(by_alias=True, exclude_none=True)


def profile(name: str, *plugins: tuple[str, int | None]) -> Profile:
    """A scheduling profile: plugin references in order, with a weight where they score.

    Weights are whole numbers: older pickers take nothing else.
    """
    return Profile(name=name, plugins=[Reference(plugin_ref=plugin, weight=weight) for plugin, weight in plugins])
