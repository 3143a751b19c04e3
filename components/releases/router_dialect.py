"""What the pickers of llm-d-router understand: v0.10.0 in full, and what v0.11 takes away.

Sources: llm-d/llm-d-router at tag v0.10.0. cmd/epp/runner/runner.go (`registerInTreePlugins`, `RegisterFeatureGate`):
the plugins, their stability and what is deprecated; the `json` fields of each plugin's configuration are below
pkg/epp/framework/plugins. What v0.11 removes: llm-d/llm-d-router#2509, #2815, #2844, #2865, #2869.
"""

from collections.abc import Mapping
from dataclasses import replace

from components.config.vocabulary import Role
from components.releases.picker_dialect import (
    CACHE,
    PD_HANDLER,
    PRECISE,
    PRECISE_PRODUCER,
    Handler,
    Job,
    Parameters,
    PickerDialect,
    PluginType,
)

AFFINITY = "prefix-cache-affinity-filter"
PRODUCER = "approx-prefix-cache-producer"
LOAD = "inflight-load-producer"

_PREFIX = {"prefixMatchInfoProducerName": str}
_LATENCY = {"latencyPredictionInfoProducerName": str}
_IN_FLIGHT = {"inFlightLoadProducerName": str}
_ONE_OF = {"maxNumOfEndpoints": int}
_PROFILES = {"prefillProfile": str, "encodeProfile": str}
_SELECTOR = {"matchLabels": dict, "matchExpressions": list}
_INDEX = {
    "tokenProcessorConfig": dict,
    "indexerConfig": dict,
    "kvEventsConfig": dict,
    "speculativeIndexing": bool,
    "speculativeTTL": str,
}
_TOKENS = {"udsTokenizerConfig": dict, "vllm": {"url": str, "timeout": str, "mmTimeout": str}, "modelName": str}
_SCRAPED = {
    **dict.fromkeys(("scheme", "path", "caCertPath", "clientCertPath", "clientKeyPath", "interval"), str),
    "insecureSkipVerify": bool,
}
_UDS = {"udsTokenizerConfig": "set vllm: {url: …}, the address of `vllm launch render`"}
FLAT = {
    "decodeProfile": "profiles.decode",
    "prefillProfile": "profiles.prefill",
    "encodeProfile": "profiles.encode",
    "prefillDeciderPluginName": "deciders.prefill",
    "encodeDeciderPluginName": "deciders.encode",
    "deciderPluginName": "deciders.prefill",
}
"""Parameters of disagg-profile-handler in its first version, and what they are called since."""

_PLAIN: Mapping[Job, tuple[str, ...]] = {
    Job.FILTER: ("prefill-filter", "decode-filter", "encode-filter", "header-based-testing-filter"),
    Job.SCORER: (
        "queue-scorer",
        "kv-cache-utilization-scorer",
        "running-requests-size-scorer",
        "lora-affinity-scorer",
    ),
    Job.HANDLER: ("single-profile-handler",),
    Job.DECIDER: ("always-disagg-pd-decider", "always-disagg-multimodal-decider"),
    Job.POLICY: (
        "fcfs-ordering-policy",
        "edf-ordering-policy",
        "slo-deadline-ordering-policy",
        "global-strict-fairness-policy",
        "round-robin-fairness-policy",
    ),
    Job.SOURCE: ("endpoint-notification-source",),
    Job.EXTRACTOR: ("models-data-extractor",),
    Job.PARSER: (
        "openai-parser",
        "anthropic-parser",
        "vllmhttp-parser",
        "vllmgrpc-parser",
        "vertexai-parser",
        "passthrough-parser",
    ),
    Job.OTHER: ("destination-endpoint-served-verifier",),
}
"""Plugins without parameters; what is given is ignored."""

_ALPHA: Mapping[Job, tuple[str, ...]] = {
    Job.FILTER: (
        "session-affinity-filter",
        "endpoint-attribute-filter",
        "topology-affinity-filter",
        "utilization-filter",
        "multicluster-session-affinity-filter",
    ),
    Job.SCORER: (
        "session-affinity-scorer",
        "header-label-affinity-scorer",
        "endpoint-attribute-scorer",
        "topology-affinity-scorer",
        "multicluster-queue-scorer",
        "multicluster-kv-cache-utilization-scorer",
        "multicluster-prefix-cache-scorer",
    ),
    Job.HANDLER: ("header-profile-handler",),
    Job.LIMITS: ("priority-holdback-policy", "soft-reflective-ceiling-policy"),
    Job.PRODUCER: (
        "burst-prefix-cache-producer",
        "p2p-source-producer",
        "multicluster-approx-prefix-cache-producer",
    ),
    Job.SOURCE: ("dcgm-data-source", "multicluster-metrics-data-source"),
    Job.EXTRACTOR: ("topology-extractor", "dcgm-extractor", "multicluster-metrics-extractor"),
    Job.OTHER: (
        "disaggregatedset-rollout-screener",
        "sheddable-eviction-filter",
        "priority-then-time-eviction-order-policy",
        "multicluster-file-discovery",
        "agent-identity",
    ),
}
"""Plugins of stability Alpha."""

_WITH_PARAMETERS: Mapping[Job, Mapping[str, Parameters]] = {
    Job.FILTER: {
        "label-selector-filter": _SELECTOR,
        AFFINITY: {
            **dict.fromkeys(
                ("affinityThreshold", "explorationProbability", "maxTTFTPenaltyMs", "peakPrefillThroughput"), float
            ),
            "ttftSource": str,
            **_PREFIX,
            **_LATENCY,
            **_IN_FLIGHT,
        },
        "slo-headroom-tier-filter": {"epsilonExploreNeg": float, **_LATENCY},
    },
    Job.SCORER: {
        CACHE: {**_PREFIX, "matchLengthWeight": float, "matchLengthScaleTokens": int},
        "load-aware-scorer": {"threshold": int},
        "context-length-aware": {"label": str, "enableFiltering": bool},
        "token-load-scorer": {"queueThresholdTokens": int, **_IN_FLIGHT},
        "mm-embeddings-cache-scorer": {"producerName": str},
        "latency-scorer": {
            **dict.fromkeys(
                ("ttftWeight", "tpotWeight", "compositeKVWeight", "compositeQueueWeight", "compositePrefixWeight"),
                float,
            ),
            "headroomSelectionStrategy": str,
            **_LATENCY,
            **_PREFIX,
        },
    },
    Job.CHOICE: dict.fromkeys(("max-score-picker", "random-picker", "weighted-random-picker"), _ONE_OF),
    Job.HANDLER: {
        "disagg-profile-handler": {
            "stageOrder": str,
            "profiles": {"decode": str, "prefill": str, "encode": str},
            "deciders": {"prefill": str, "encode": str},
            **dict.fromkeys(FLAT, str),
        },
        "data-parallel-profile-handler": {"primaryPort": int},
    },
    Job.DECIDER: {"prefix-based-pd-decider": {"nonCachedTokens": int, "promptTokens": int}},
    Job.POLICY: {
        "program-aware-fairness": {
            "strategy": str,
            **dict.fromkeys(
                (
                    "evictionTtlSeconds",
                    "evictionSweepSeconds",
                    "lasWeightService",
                    "lasWeightHeadWait",
                    "lasDecayFactor",
                    "lasHalfLifeSeconds",
                ),
                float,
            ),
        }
    },
    Job.LIMITS: {"static-usage-limit-policy": {"threshold": float}},
    Job.DETECTOR: {
        "utilization-detector": {
            "queueDepthThreshold": int,
            "kvCacheUtilThreshold": float,
            "metricsStalenessThreshold": str,
            "headroom": float,
        },
        "concurrency-detector": {
            "maxConcurrency": int,
            "headroom": float,
            "concurrencyMode": str,
            "maxTokenConcurrency": int,
            **_IN_FLIGHT,
        },
    },
    Job.PRODUCER: {
        PRECISE_PRODUCER: _INDEX,
        LOAD: {
            "addEstimatedOutputTokens": bool,
            "outputRatio": float,
            "maxEstimatedOutputTokens": int,
            **_PREFIX,
            "syncCrossReplicaState": bool,
        },
        "predicted-latency-producer": {
            **dict.fromkeys(("samplingMean", "sloBufferFactor"), float),
            **dict.fromkeys(("maxDecodeTokenSamplesForPrediction", "contextTTL"), int),
            **dict.fromkeys(("streamingMode", "predictInProduce", "useEncoderCacheFeatures"), bool),
            **dict.fromkeys(("endpointRoleLabel", "encoderCacheMatchInfoProducerName"), str),
            **_PREFIX,
            **_IN_FLIGHT,
        },
        "mm-embeddings-cache-producer": {"cacheSizeInMBPerServer": int},
        "session-id-producer": {"headerName": str, "cookieName": str},
    },
    Job.SOURCE: {
        "metrics-data-source": {**_SCRAPED, "port": int},
        "models-data-source": _SCRAPED,
    },
    Job.EXTRACTOR: {
        "core-metrics-extractor": {"engineLabelKey": str, "defaultEngine": str, "engineConfigs": list},
    },
    Job.OTHER: {
        "probabilistic-admitter": {
            "queueDepthThreshold": int,
            "kvCacheUtilThreshold": float,
            "power": float,
            "k": float,
        },
        "latency-slo-admitter": _LATENCY,
        "file-discovery": {"path": str, "watchFile": bool},
    },
}
"""Plugins with parameters, all of stability Beta."""

_DISAGG = Handler(
    profile_at={
        Role.PREFILL: ("profiles.prefill", "prefillProfile"),
        Role.DECODE: ("profiles.decode", "decodeProfile"),
    },
    decider_at=("deciders.prefill", "prefillDeciderPluginName", "deciderPluginName"),
    deprecated=FLAT,
    order_at="stageOrder",
    writes_headers=True,
)

_SELECT = "label-selector-filter"
_WRITES = "disagg-profile-handler, which writes the headers itself"
_PRECISE_PARTS = f"{PRECISE_PRODUCER} and {CACHE} with prefixMatchInfoProducerName"
REMOVED: Mapping[str, str] = {
    "by-label": _SELECT,
    "by-label-selector": _SELECT,
    "disagg-headers-handler": _WRITES,
    "prefill-header-handler": _WRITES,
    "pd-profile-handler": "disagg-profile-handler",
    PRECISE: _PRECISE_PARTS,
    "tokenizer": "token-producer",
}
"""Plugins that v0.10 deprecates and v0.11 removes, and what is in their place."""

ROUTER_0_10 = PickerDialect(
    plugins={
        **{name: PluginType(job) for job, names in _PLAIN.items() for name in names},
        **{name: PluginType(job, alpha=True) for job, names in _ALPHA.items() for name in names},
        **{name: PluginType(job, given) for job, each in _WITH_PARAMETERS.items() for name, given in each.items()},
        PRODUCER: PluginType(
            Job.PRODUCER,
            {
                "autoTune": bool,
                **dict.fromkeys(
                    (
                        "blockSizeTokens",
                        "blockSize",
                        "maxPrefixBlocksToMatch",
                        "maxPrefixTokensToMatch",
                        "lruCapacityPerServer",
                    ),
                    int,
                ),
            },
            former={"blockSize": "write blockSizeTokens"},
        ),
        "active-request-scorer": PluginType(
            Job.SCORER,
            {"requestTimeout": str, "idleThreshold": int, "maxBusyScore": float, **_IN_FLIGHT},
            former={"requestTimeout": f"the picker ignores it, {LOAD} counts"},
        ),
        "no-hit-lru-scorer": PluginType(
            Job.SCORER,
            {"prefixPluginType": str, "prefixPluginName": str, "lruSize": int, **_PREFIX},
            former=dict.fromkeys(("prefixPluginType", "prefixPluginName"), "write prefixMatchInfoProducerName"),
        ),
        "token-producer": PluginType(Job.PRODUCER, {**_TOKENS, "estimate": dict}, former=_UDS),
        "request-attribute-reporter": PluginType(Job.OTHER, {"attributes": list}, needs=("attributes",)),
        "k8s-notification-source": PluginType(
            Job.SOURCE, {"group": str, "version": str, "kind": str}, needs=("version", "kind")
        ),
        "by-label": PluginType(
            Job.FILTER,
            {"label": str, "validValues": list, "allowsNoLabel": bool},
            needs=("label",),
            deprecated=REMOVED["by-label"],
        ),
        "by-label-selector": PluginType(Job.FILTER, _SELECTOR, deprecated=REMOVED["by-label-selector"]),
        **dict.fromkeys(
            ("disagg-headers-handler", "prefill-header-handler"),
            PluginType(Job.HEADERS, _PROFILES, deprecated=_WRITES),
        ),
        "pd-profile-handler": PluginType(
            Job.HANDLER,
            {
                **dict.fromkeys(
                    ("decodeProfile", "prefillProfile", "prefixPluginType", "prefixPluginName", "deciderPluginName"),
                    str,
                ),
                "primaryPort": int,
                **_PREFIX,
            },
            deprecated=REMOVED["pd-profile-handler"],
        ),
        PRECISE: PluginType(Job.SCORER, _INDEX, deprecated=_PRECISE_PARTS),
        "tokenizer": PluginType(Job.PRODUCER, {**_TOKENS, "estimate": dict}, deprecated=REMOVED["tokenizer"]),
    },
    gates=frozenset({"flowControl", "haPopulateNonLeaderDatastore"}),
    sections=frozenset({"saturationDetector", "flowControl"}),
    handlers={
        "disagg-profile-handler": _DISAGG,
        "pd-profile-handler": PD_HANDLER,
    },
    amount_at=("prefix-based-pd-decider", "nonCachedTokens"),
    zero_is_never=True,
    cache_gate=None,
    data_gate=None,
    block_sizes=None,
    characters=None,
    fractional_weights=True,
    weightless_after_picker=True,
    events_endpoint="",
    discovers_events=True,
    tokenizer_at={},
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

ROUTER_0_11 = replace(
    ROUTER_0_10,
    plugins={
        **{name: known for name, known in ROUTER_0_10.plugins.items() if name not in REMOVED},
        # Without its flat parameters, which #2509 removed.
        "disagg-profile-handler": PluginType(
            Job.HANDLER,
            {
                name: kind
                for name, kind in ROUTER_0_10.plugins["disagg-profile-handler"].parameters.items()
                if name not in FLAT
            },
        ),
        "sglanghttp-parser": PluginType(Job.PARSER),
    },
    handlers={"disagg-profile-handler": replace(_DISAGG, deprecated={})},
    successors={**ROUTER_0_10.successors, **{name: f"{new} (removed in v0.11)" for name, new in REMOVED.items()}},
)
