"""What a picker version understands. Its own checks are loose: see `picker_rules` for what it would accept silently.

Sources: llm-d-inference-scheduler and gateway-api-inference-extension at the versions of each release.
`tests/picker` asks the real pickers whether each of these plugins, parameters and feature gates is theirs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Job(StrEnum):
    """What a plugin does."""

    FILTER = "filter"
    SCORER = "scorer"
    CHOICE = "picker"
    HANDLER = "profile handler"
    HEADERS = "headers handler"
    DECIDER = "decider"
    POLICY = "flow control policy"


Parameters = Mapping[str, Any]
"""Parameters by name: the type of their values, or the parameters within them."""


@dataclass(frozen=True)
class PluginType:
    """A plugin that a picker version has."""

    job: Job
    parameters: Parameters = field(default_factory=dict)


@dataclass(frozen=True)
class PickerDialect:
    """The configuration language of one picker version."""

    plugins: Mapping[str, PluginType]
    """Plugins by type."""
    gates: frozenset[str]
    """Feature gates; any other is refused."""
    sections: frozenset[str]
    """What a configuration may hold beside gates, plugins and profiles; any other is refused."""
    handler: str
    """The profile handler that disaggregates."""
    decider_at: tuple[str, ...]
    """Where the handler's parameters name the decider; empty: it decides by itself."""
    amount_at: tuple[str, str]
    """Plugin and parameter that say from how many uncached units on a request is disaggregated."""
    zero_is_never: bool
    """Whether no such units mean never; otherwise always."""
    cache_gate: str | None
    """Gate without which the decider never sees the prefix cache, and so never disaggregates."""
    block_sizes: tuple[str, str] | None
    """Parameters of handler and prefix cache that must agree, or cached prompts look new."""
    fractional_weights: bool
    """Whether a weight may be a fraction."""
    successors: Mapping[str, str]
    """Plugins of other releases and what they are called here."""


CACHE = "prefix-cache-scorer"

_ONE_OF = {"maxNumOfEndpoints": int}
COMMON: Mapping[str, PluginType] = {
    "prefill-filter": PluginType(Job.FILTER),
    "decode-filter": PluginType(Job.FILTER),
    "by-label": PluginType(Job.FILTER, {"label": str, "validValues": list, "allowsNoLabel": bool}),
    "by-label-selector": PluginType(Job.FILTER, {"matchLabels": dict, "matchExpressions": list}),
    "queue-scorer": PluginType(Job.SCORER),
    "kv-cache-utilization-scorer": PluginType(Job.SCORER),
    "lora-affinity-scorer": PluginType(Job.SCORER),
    "load-aware-scorer": PluginType(Job.SCORER, {"threshold": int}),
    "session-affinity-scorer": PluginType(Job.SCORER),
    "max-score-picker": PluginType(Job.CHOICE, _ONE_OF),
    "random-picker": PluginType(Job.CHOICE, _ONE_OF),
    "weighted-random-picker": PluginType(Job.CHOICE, _ONE_OF),
    "single-profile-handler": PluginType(Job.HANDLER),
}
"""What the pickers of all our releases have."""
