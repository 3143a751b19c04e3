"""The picker's configuration as typed data: its shape, which every picker decodes strictly."""

from collections.abc import Container, Mapping
from typing import Any, Literal

from pydantic import ConfigDict, Field

from components.config.strict import Strict
from components.config.vocabulary import Preset, Role
from components.releases.picker_dialect import CACHE

LONGEST_CONTEXT_BLOCKS = 8192
"""Blocks of 16 tokens in a prompt of 131072, the longest context of the guides' models. The guides' 256 see the first
4096 tokens only: where a decision hangs on it, longer prompts would count as new however often they come."""

WEIGHTS: Mapping[Preset, Mapping[str, int]] = {
    # release 0.6's guide
    Preset.GUIDE: {CACHE: 2, "queue-scorer": 1},
    # A whole prompt that a worker has cached outweighs the longest queue and the fullest cache together.
    Preset.PREFIX_CACHE_AWARE: {CACHE: 3, "queue-scorer": 1, "kv-cache-utilization-scorer": 1},
    # What waits counts most: a worker computes the requests that run side by side. All three are the workers' own
    # figures, so they hold for whoever sent the requests and after a change of pickers; active-request-scorer would
    # know its own picker's requests alone, and each for two minutes.
    Preset.LOAD_AWARE: {
        CACHE: 1,
        "queue-scorer": 2,
        "running-requests-size-scorer": 1,
        "kv-cache-utilization-scorer": 1,
    },
}
"""What each preset weighs, each score being 0 to 1; of these a release takes those that it has."""


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
    plugins: list[Reference] = []
    """What takes part."""


class SaturationDetector(_Part):
    """From when on a worker counts as full."""

    queue_depth_threshold: int | None = None
    """Requests that wait."""
    kv_cache_util_threshold: int | float | None = None
    """Fraction of the KV cache that is in use."""
    metrics_staleness_threshold: str | None = None
    """Age of a worker's figures from which on they mean nothing, such as 200ms."""


class Extractor(_Part):
    """What reads a data source."""

    plugin_ref: str
    """Its name."""


class Source(_Part):
    """Where figures of the workers come from."""

    plugin_ref: str
    """Name of the plugin that fetches them."""
    extractors: list[Extractor] = []
    """Plugins that read them."""


class Data(_Part):
    """Sources of the workers' figures."""

    sources: list[Source] = []
    """All of them."""


class PriorityBand(_Part):
    """Requests of one priority."""

    priority: int | None = None
    """The priority."""
    max_bytes: int | None = None
    """Most that waits."""
    fairness_policy_ref: str | None = None
    """Policy among the senders of requests."""
    ordering_policy_ref: str | None = None
    """Policy among a sender's requests."""


class FlowControl(_Part):
    """Queues before the workers."""

    max_bytes: int | None = None
    """Most that waits in all of them."""
    default_request_ttl: str | None = Field(default=None, alias="defaultRequestTTL")
    """Longest wait of a request, such as 60s."""
    default_priority_band: PriorityBand | None = None
    """For priorities without a band."""
    priority_bands: list[PriorityBand] = []
    """Bands."""


class PickerConfig(_Part):
    """An EndpointPickerConfig."""

    api_version: Literal["inference.networking.x-k8s.io/v1alpha1"] = "inference.networking.x-k8s.io/v1alpha1"
    """Group and version, the same in every supported release."""
    kind: Literal["EndpointPickerConfig"] = "EndpointPickerConfig"
    """Kind."""
    feature_gates: list[str] | None = None
    """Experimental parts of the picker that are switched on."""
    plugins: list[Plugin]
    """All plugins; one that another's parameters name stands before it."""
    scheduling_profiles: list[Profile] = []
    """One profile per role; without any, the picker makes one for all workers."""
    saturation_detector: SaturationDetector | None = None
    """From when on a worker counts as full."""
    data: Data | None = None
    """Where figures of the workers come from."""
    flow_control: FlowControl | None = None
    """Queues before the workers."""

    def document(self) -> dict[str, Any]:
        """As it stands in the file."""
        return self.model_dump(by_alias=True, exclude_none=True)


def scorers(preset: Preset, known: Container[str], *, cached: bool) -> dict[str, int]:
    """Scorers of a preset with their weights: those that a picker knows; `cached`: with the prefix cache."""
    return {name: weight for name, weight in WEIGHTS[preset].items() if name in known and (cached or name != CACHE)}


def profiles(scorers: Mapping[str, int]) -> list[Profile]:
    """Both scheduling profiles: filter, scorers with their weights, picker.

    Weights are whole numbers: older pickers take nothing else.
    """
    weighed = [Reference(plugin_ref=name, weight=weight) for name, weight in scorers.items()]
    return [
        Profile(
            name=role,
            plugins=[Reference(plugin_ref=f"{role}-filter"), *weighed, Reference(plugin_ref="max-score-picker")],
        )
        for role in Role
    ]
