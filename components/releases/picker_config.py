"""The picker's configuration as typed data: its shape, which every picker decodes strictly."""

from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Any, Literal, Self

from pydantic import ConfigDict, Field

from components.config.strict import Strict
from components.config.vocabulary import Preset, Role
from components.releases.picker_dialect import CACHE, Job

DEFAULT_POLICIES = ("fcfs-ordering-policy", "global-strict-fairness-policy")
"""Flow control policies that the picker lists by itself."""

FLOW_GATE = "flowControl"
"""Gate of the queues before the workers."""

LONGEST_CONTEXT_BLOCKS = 8192
"""Blocks of 16 tokens in a prompt of 131072, the longest context of the guides' models. With the guides' 256 blocks,
a decision about the cached part of a prompt would ignore what comes after them."""

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


Referred = tuple[str, str, Job]
"""A reference to a plugin: its path, the plugin's name, and the job that the plugin must have."""


class Part(Strict):
    """A part of a configuration; keys are those of the file, or Python names."""

    model_config = ConfigDict(populate_by_name=True)  # written by our own code, too


class Plugin(Part):
    """A plugin with its parameters; pickers decode those loosely, so that a misspelt one is ignored."""

    type: str
    name: str | None = None
    parameters: dict[str, Any] | None = None

    @property
    def called(self) -> str:
        """What others refer to it by."""
        return self.name or self.type


class Reference(Part):
    """A plugin within a profile."""

    plugin_ref: str
    weight: int | float | None = None
    """How much its score counts."""


class Profile(Part):
    """How pods of one role are chosen: filters, scorers and a picker, in order."""

    name: str
    plugins: list[Reference] = []


class SaturationDetector(Part):
    """From when on a worker counts as full."""

    queue_depth_threshold: int | None = None
    """Requests that wait."""
    kv_cache_util_threshold: int | float | None = None
    metrics_staleness_threshold: str | None = None
    """Age of a worker's figures from which on they mean nothing, such as 200ms."""


class Extractor(Part):
    """What reads a data source."""

    plugin_ref: str


class Source(Part):
    """Where figures of the workers come from."""

    plugin_ref: str
    extractors: list[Extractor] = []


class Data(Part):
    """Sources of the workers' figures."""

    sources: list[Source] = []


class Band(Part):
    """Requests of one priority."""

    priority: int | None = None
    fairness_policy_ref: str | None = None
    ordering_policy_ref: str | None = None
    """Policy among a sender's requests."""


class PriorityBand(Band):
    """Requests of one priority, in bytes."""

    max_bytes: int | None = None


def referred_policies(defaults: Mapping[str, Band | None], bands: Iterable[Band]) -> Iterator[Referred]:
    """Policies of default bands, by their names, and of priority bands; without those that a picker lists by itself."""
    named = [*defaults.items(), *((f"priorityBands[{place}]", each) for place, each in enumerate(bands))]
    for at, band in named:
        refs = {"fairness": band.fairness_policy_ref, "ordering": band.ordering_policy_ref} if band else {}
        for key, name in refs.items():
            if name and name not in DEFAULT_POLICIES:
                yield f"flowControl.{at}.{key}PolicyRef", name, Job.POLICY


class FlowControl(Part):
    """Queues before the workers."""

    max_bytes: int | None = None
    """Most that waits in all of them."""
    default_request_ttl: str | None = Field(default=None, alias="defaultRequestTTL")
    default_priority_band: PriorityBand | None = None
    """For priorities without a band."""
    priority_bands: list[PriorityBand] = []

    def references(self) -> Iterator[Referred]:
        yield from referred_policies({"defaultPriorityBand": self.default_priority_band}, self.priority_bands)


class EndpointPickerConfig(Part):
    """What the configurations of all pickers have."""

    api_version: str
    kind: Literal["EndpointPickerConfig"] = "EndpointPickerConfig"
    feature_gates: list[str] | None = None
    """Experimental parts of the picker that are switched on."""
    plugins: list[Plugin]
    """All plugins; one that another's parameters name stands before it."""
    scheduling_profiles: list[Profile] = []
    """One profile per role; without any, the picker makes one for all workers."""

    def document(self) -> dict[str, Any]:
        return self.model_dump(by_alias=True, exclude_none=True)

    def lists(self, kind: str) -> bool:
        return any(each.type == kind for each in self.plugins)

    def given(self, kind: str, **parameters: Any) -> Self:
        """The same with further parameters of the plugins of a type."""
        plugins = [
            each.model_copy(update={"parameters": {**(each.parameters or {}), **parameters}})
            if each.type == kind
            else each
            for each in self.plugins
        ]
        return self.model_copy(update={"plugins": plugins})

    def references(self) -> Iterator[Referred]:
        """Plugins that the sections name, beside those of the profiles."""
        yield from ()


class PickerConfig(EndpointPickerConfig):
    """The configuration of the pickers up to v0.8."""

    api_version: Literal["inference.networking.x-k8s.io/v1alpha1"] = "inference.networking.x-k8s.io/v1alpha1"
    saturation_detector: SaturationDetector | None = None
    data: Data | None = None
    flow_control: FlowControl | None = None

    def references(self) -> Iterator[Referred]:
        """Sources, their extractors, and the policies of the queues, which have no effect while the gate is off."""
        if self.data:
            yield from referred_sources("data", self.data.sources)
        if self.flow_control and FLOW_GATE in (self.feature_gates or []):
            yield from self.flow_control.references()


def referred_sources(section: str, sources: Iterable[Source]) -> Iterator[Referred]:
    """Data sources and their extractors."""
    for place, source in enumerate(sources):
        here = f"{section}.sources[{place}]"
        yield f"{here}.pluginRef", source.plugin_ref, Job.SOURCE
        for position, each in enumerate(source.extractors):
            yield f"{here}.extractors[{position}].pluginRef", each.plugin_ref, Job.EXTRACTOR


def scorers(preset: Preset, known: Container[str], *, cached: bool) -> dict[str, int]:
    """Scorers of a preset with their weights: those that a picker knows; `cached`: with the prefix cache."""
    return {name: weight for name, weight in WEIGHTS[preset].items() if name in known and (cached or name != CACHE)}


def profiles(scorers: Mapping[Role, Mapping[str, int | None]]) -> list[Profile]:
    """A scheduling profile of each role: filter, scorers with their weights, picker.

    Weights are whole numbers: older pickers take nothing else.
    """
    return [
        Profile(
            name=role,
            plugins=[
                Reference(plugin_ref=f"{role}-filter"),
                *(Reference(plugin_ref=name, weight=weight) for name, weight in weights.items()),
                Reference(plugin_ref="max-score-picker"),
            ],
        )
        for role, weights in scorers.items()
    ]
