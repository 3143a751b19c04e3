"""What the pickers of llm-d-router understand: v0.10.0 in full, and what v0.11 takes away.

Sources: llm-d/llm-d-router at tag v0.10.0. cmd/epp/runner/runner.go (`registerInTreePlugins`, `RegisterFeatureGate`):
the plugins, their stability and what is deprecated; the `json` fields of each plugin's configuration are below
pkg/epp/framework/plugins. What v0.11 removes: llm-d/llm-d-router#2509, #2815, #2844, #2865, #2869.
"""

from dataclasses import replace

from components.releases.picker_dialect import (
    DISAGG_HANDLER,
    FLAT,
    PD_HANDLER,
    Job,
    PickerDialect,
    PluginType,
    plugins_of,
)

AFFINITY = "prefix-cache-affinity-filter"
PRODUCER = "approx-prefix-cache-producer"
LOAD = "inflight-load-producer"

_DISAGG = replace(DISAGG_HANDLER, order_at="stageOrder", writes_headers=True)

ROUTER_0_10 = PickerDialect(
    plugins=plugins_of("router-0.10"),
    gates=frozenset({"flowControl", "haPopulateNonLeaderDatastore"}),
    sections=frozenset({"saturationDetector", "flowControl"}),
    handlers={
        "disagg-profile-handler": _DISAGG,
        "pd-profile-handler": PD_HANDLER,
    },
    successors={
        "model-server-protocol-metrics": "core-metrics-extractor",
        "model-server-protocol-models": "models-data-extractor",
        "predicted-latency-scorer": "predicted-latency-producer and latency-scorer",
    },
    # The handler reads what approx-prefix-cache-producer knows of the decode worker; the picker adds that one itself.
    reads_cache=False,
    former_versions={"inference.networking.x-k8s.io/v1alpha1": "llm-d.ai/v1alpha1"},
    strict=True,
)

_DEPRECATED = {name: known.deprecated for name, known in ROUTER_0_10.plugins.items() if known.deprecated}
_HANDLER = ROUTER_0_10.plugins["disagg-profile-handler"]

ROUTER_0_11 = replace(
    ROUTER_0_10,
    plugins={
        **{name: known for name, known in ROUTER_0_10.plugins.items() if name not in _DEPRECATED},
        # Without its flat parameters, which #2509 removed.
        "disagg-profile-handler": replace(
            _HANDLER, parameters={name: kind for name, kind in _HANDLER.parameters.items() if name not in FLAT}
        ),
        "sglanghttp-parser": PluginType(Job.PARSER),
    },
    handlers={"disagg-profile-handler": replace(_DISAGG, deprecated={})},
    successors={**ROUTER_0_10.successors, **{name: f"{new} (removed in v0.11)" for name, new in _DEPRECATED.items()}},
)
