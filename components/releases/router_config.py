"""The configuration of the pickers of llm-d-router as typed data, and what the presets are in it.

Source: llm-d/llm-d-router v0.10.0, apix/config/v1alpha1/endpointpickerconfig_types.go; the picker decodes it strictly.
"""

from collections.abc import Iterator, Mapping
from typing import Literal

from pydantic import Field

from components.config.vocabulary import Preset, Role
from components.releases.picker_config import (
    FLOW_GATE,
    WEIGHTS,
    Band,
    EndpointPickerConfig,
    Part,
    Plugin,
    Referred,
    Source,
    profiles,
    referred_policies,
    referred_sources,
)
from components.releases.picker_dialect import CACHE, Job
from components.releases.router_dialect import AFFINITY, LOAD, PRODUCER

Amount = int | str
"""A Kubernetes quantity."""


class Referring(Part):
    """A section that names a plugin."""

    plugin_ref: str


class DataLayer(Part):
    """Sources of the workers' figures."""

    inject_defaults: bool | None = None
    """Whether the picker adds its own sources; default: it does."""
    sources: list[Source] = []
    discovery: Referring | None = None
    """Where the workers come from instead of the InferencePool."""
    peer_discovery: Referring | None = None
    """Where the other pickers come from (v0.11)."""
    cross_replica_syncer_plugin_ref: str | None = None
    """Plugin that shares state among pickers."""
    cross_replica_sync_interval: str | None = None


class RouterBand(Band):
    """Requests of one priority, in bytes and requests."""

    max_bytes: Amount | None = None
    """Most that waits; default: 1 GB."""
    max_requests: Amount | None = None
    """Most requests that wait; default: 5000."""


class RouterFlowControl(Part):
    """Queues before the workers."""

    max_bytes: Amount | None = None
    """Most that waits in all of them."""
    max_requests: Amount | None = None
    default_request_ttl: str | None = Field(default=None, alias="defaultRequestTTL")
    """Longest wait of a request; default: 60s."""
    no_endpoint_request_ttl: str | None = Field(default=None, alias="noEndpointRequestTTL")
    """The same while there is no worker (v0.11)."""
    default_priority_band: RouterBand | None = None
    """For priorities without a band."""
    default_negative_priority_band: RouterBand | None = None
    """For priorities below 0 without a band."""
    priority_bands: list[RouterBand] = []
    usage_limit_policy_plugin_ref: str | None = None
    saturation_detector: Referring | None = None
    enable_eviction: bool | None = None
    """Whether running requests of priorities below 0 give way."""


class RequestHandler(Part):
    """How requests are read."""

    parsers: list[Referring] = []
    """Parsers; those that the picker has by itself need no entry in plugins."""


class RouterConfig(EndpointPickerConfig):
    """The configuration of a picker of llm-d-router."""

    api_version: Literal["llm-d.ai/v1alpha1", "inference.networking.x-k8s.io/v1alpha1"] = "llm-d.ai/v1alpha1"
    """Group and version; the second is deprecated."""
    data_layer: DataLayer | None = None
    flow_control: RouterFlowControl | None = None
    request_handler: RequestHandler | None = None
    saturation_detector: Referring | None = None
    """The older place of flowControl.saturationDetector."""
    parser: Referring | None = None
    """The older place of requestHandler.parsers."""

    def references(self) -> Iterator[Referred]:
        """Sources and extractors; policies, where the gate is on; detectors, which the picker reads without it, too."""
        if self.data_layer:
            yield from referred_sources("dataLayer", self.data_layer.sources)
        flow = self.flow_control
        if flow and FLOW_GATE in {gate.removesuffix("=true") for gate in self.feature_gates or []}:
            defaults = {
                "defaultPriorityBand": flow.default_priority_band,
                "defaultNegativePriorityBand": flow.default_negative_priority_band,
            }
            yield from referred_policies(defaults, flow.priority_bands)
            if flow.usage_limit_policy_plugin_ref:
                yield "flowControl.usageLimitPolicyPluginRef", flow.usage_limit_policy_plugin_ref, Job.LIMITS
        detectors = {
            "flowControl.saturationDetector": flow.saturation_detector if flow else None,
            "saturationDetector": self.saturation_detector,
        }
        for path, each in detectors.items():
            if each and each.plugin_ref != "utilization-detector":  # the picker has this one by itself
                yield f"{path}.pluginRef", each.plugin_ref, Job.DETECTOR


LONGEST_CONTEXT = 131072
"""Tokens of a prompt that are compared: the guide's, and the longest context of its models."""

BLOCK_TOKENS = 64
"""Tokens per block of the prefix index where a decision hangs on it; smaller ones make the picker warn about memory."""

GUIDE: Mapping[Role, tuple[str, ...]] = {
    Role.PREFILL: (AFFINITY, "token-load-scorer"),
    Role.DECODE: ("active-request-scorer",),
}
"""What the guide of release 0.9 weighs: warm prefill workers first, of them the one with the fewest tokens to compute;
the decode worker with the fewest requests (llm-d/llm-d d557f83e,
guides/pd-disaggregation/router/pd-disaggregation.values.yaml)."""


def router_config(non_cached_tokens: int | None, preset: Preset) -> RouterConfig:
    """`non_cached_tokens` counts tokens of the prompt that no decode worker has cached; a 0 would mean never."""
    selective = non_cached_tokens is not None
    decider = "prefix-based-pd-decider" if selective else "always-disagg-pd-decider"
    index = {"maxPrefixTokensToMatch": LONGEST_CONTEXT}
    if selective or preset is Preset.PREFIX_CACHE_AWARE:
        index = {"autoTune": False, "blockSizeTokens": BLOCK_TOKENS, **index}
    weights = {} if preset is Preset.GUIDE else dict(WEIGHTS[preset])
    if preset is Preset.LOAD_AWARE and not selective:
        weights.pop(CACHE)
    chosen = GUIDE if preset is Preset.GUIDE else dict.fromkeys(Role, tuple(weights))
    cached = selective or preset is not Preset.LOAD_AWARE
    named = dict.fromkeys(each for role in Role for each in chosen[role])
    plugins = [
        Plugin(type=decider, parameters={"nonCachedTokens": non_cached_tokens} if selective else None),
        Plugin(type="disagg-profile-handler", parameters={"deciders": {"prefill": decider}}),
        Plugin(type="prefill-filter"),
        Plugin(type="decode-filter"),
        *([Plugin(type=PRODUCER, parameters=index)] if cached else []),
        *([Plugin(type=LOAD)] if preset is Preset.GUIDE else []),
        *(Plugin(type=name) for name in named),
        Plugin(type="max-score-picker"),
    ]
    weighed = {role: {name: weights.get(name) for name in chosen[role]} for role in Role}
    return RouterConfig(plugins=plugins, scheduling_profiles=profiles(weighed))
