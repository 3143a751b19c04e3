"""What a picker version understands. Its own checks are loose: see `picker_rules` for what it would accept silently.

Sources: llm-d-inference-scheduler (pkg/plugins/register.go) and gateway-api-inference-extension
(cmd/epp/runner/runner.go, `registerInTreePlugins`) at the versions of each release.
`tests/picker` asks the real pickers whether they know these plugins, parameters and feature gates.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from components.config.vocabulary import Role


class Job(StrEnum):
    """What a plugin does."""

    FILTER = "filter"
    SCORER = "scorer"
    CHOICE = "picker"
    HANDLER = "profile handler"
    HEADERS = "headers handler"
    DECIDER = "decider"
    PRODUCER = "data producer"
    DETECTOR = "saturation detector"
    LIMITS = "usage limit policy"
    PARSER = "parser"
    POLICY = "flow control policy"
    SOURCE = "data source"
    EXTRACTOR = "extractor"
    OTHER = "plugin"


Parameters = Mapping[str, Any]
"""Parameters by name: the type of their values, or the parameters within them."""


@dataclass(frozen=True)
class PluginType:
    """A plugin that a picker version has."""

    job: Job
    parameters: Parameters = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    """Parameters without which the picker refuses the file, with dots between the levels."""
    deprecated: str = ""
    """What upstream has in its place; empty: it is not deprecated."""
    alpha: bool = False
    """Whether the picker takes it with --allow-experimental-plugins only; its parameters are not checked then."""
    former: Mapping[str, str] = field(default_factory=dict)
    """Parameters that are accepted with a warning, and what takes their place."""


@dataclass(frozen=True)
class Handler:
    """A profile handler that disaggregates: where its parameters, with dots between the levels, say what."""

    profile_at: Mapping[Role, tuple[str, ...]]
    """Names of the profiles, the first that is given; otherwise a profile has the name of its role."""
    decider_at: tuple[str, ...] = ()
    """The decider, the first that is given; empty: the handler decides by itself."""
    decider: str | None = None
    """The decider that it looks for where none is given; None: it never disaggregates then."""
    cache_at: str | None = None
    """Name of the prefix cache that it reads; None: whatever knows what a worker has cached."""
    deprecated: Mapping[str, str] = field(default_factory=dict)
    """Parameters of an older version and their successors, which cannot be mixed with them."""
    only_its_profiles: bool = False
    """Whether a further profile makes it choose a prefill worker again and again, without end."""
    writes_headers: bool = False
    """Whether it names the prefill worker to the sidecar by itself, without a headers handler."""
    order_at: str | None = None
    """The order of the stages; where prefill comes first, every request is disaggregated and a decider is refused."""


@dataclass(frozen=True)
class PickerDialect:
    """The configuration language of one picker version."""

    plugins: Mapping[str, PluginType]
    gates: frozenset[str]
    """Feature gates; any other is refused."""
    sections: frozenset[str]
    """What a configuration may hold beside gates, plugins and profiles; any other is refused."""
    handlers: Mapping[str, Handler]
    """The profile handlers that disaggregate, by type; the one to recommend first."""
    successors: Mapping[str, str]
    """Plugins of other releases and what they are called here."""
    amount_at: tuple[str, str] = ("prefix-based-pd-decider", "nonCachedTokens")
    """Plugin and parameter that say from how many uncached units on a request is disaggregated."""
    zero_is_never: bool = True
    """Whether no such units mean never; otherwise always."""
    cache_gate: str | None = None
    """Gate without which the decider never sees the prefix cache, and so never disaggregates."""
    data_gate: str | None = None
    """Gate that needs the section `data`."""
    block_sizes: tuple[str, str] | None = None
    """Parameters of handler and prefix cache that must agree, or cached prompts look new."""
    characters: tuple[str, str] | None = None
    """Parameter of the prefix cache that counts characters, which is refused without the one that counts tokens."""
    fractional_weights: bool = True
    """Whether a weight may be a fraction."""
    weightless_after_picker: bool = True
    """Whether a scorer without a weight may follow the picker of its profile."""
    events_endpoint: str = ""
    """Where the precise prefix cache listens for events by default; empty: nowhere."""
    discovers_events: bool = True
    """Whether it fetches events from the workers by default."""
    tokenizer_at: Mapping[str, str] = field(default_factory=dict)
    """Plugins that need a tokenizer at a Unix socket of the picker's pod, and their parameters about it."""
    reads_cache: bool = True
    """Whether a decider knows what a worker has cached only by a prefix cache in the decode profile."""
    former_versions: Mapping[str, str] = field(default_factory=dict)
    """Deprecated values of `apiVersion` and their successors."""
    strict: bool = False
    """Whether an unknown parameter is refused, a gate may have a value, and plugins may stand in any order (since v0.9:
    llm-d-router#1134; pkg/epp/config/loader, `buildPluginDAG`)."""


CACHE = "prefix-cache-scorer"
PRECISE = "precise-prefix-cache-scorer"
PRECISE_PRODUCER = "precise-prefix-cache-producer"

ROLE_LABEL = "llm-d.ai/role"
ROLE_FILTERS: Mapping[str, Role | None] = {
    "prefill-filter": Role.PREFILL,
    "decode-filter": Role.DECODE,
    "encode-filter": None,
}
"""Filters and the role that they let through; None: neither role (pkg/plugins/filter/roles.go)."""

PD_HANDLER = Handler(
    profile_at={Role.PREFILL: ("prefillProfile",), Role.DECODE: ("decodeProfile",)},
    decider_at=("deciderPluginName",),
    decider="prefix-based-pd-decider",
    only_its_profiles=True,
)
"""`pd-profile-handler` of EPPs with deciders (v0.7 to v0.10)."""

FLAT = {
    "decodeProfile": "profiles.decode",
    "prefillProfile": "profiles.prefill",
    "encodeProfile": "profiles.encode",
    "prefillDeciderPluginName": "deciders.prefill",
    "encodeDeciderPluginName": "deciders.encode",
    "deciderPluginName": "deciders.prefill",
}
"""Parameters of disagg-profile-handler in its first version, and what they are called since."""

DISAGG_HANDLER = Handler(
    profile_at={
        Role.PREFILL: ("profiles.prefill", "prefillProfile"),
        Role.DECODE: ("profiles.decode", "decodeProfile"),
    },
    decider_at=("deciders.prefill", "prefillDeciderPluginName", "deciderPluginName"),
    deprecated=FLAT,
)
"""`disagg-profile-handler`, as it is since v0.7."""

_TYPES = {kind.__name__: kind for kind in (bool, dict, float, int, list, str)}


def plugins_of(picker: str) -> dict[str, PluginType]:
    """The plugins of a picker, by type, from its file in the folder `plugins`: fields of `PluginType`."""
    text = (Path(__file__).parent / "plugins" / f"{picker}.json").read_text()
    return {name: _plugin(**fields) for name, fields in json.loads(text).items()}


def _plugin(job: str, parameters: Parameters | None = None, needs: tuple[str, ...] = (), **rest: Any) -> PluginType:
    return PluginType(Job(job), _typed(parameters or {}), tuple(needs), **rest)


def _typed(parameters: Parameters) -> Parameters:
    return {name: _typed(kind) if isinstance(kind, dict) else _TYPES[kind] for name, kind in parameters.items()}
