"""llm-d 0.6: picker and sidecar v0.7.1 on Gateway API inference extension v1.4, vLLM 0.17.1.

Source: the newest helmfile version of the guide (inferencepool v1.4.0, modelservice v0.4.9).
"""

from components.config.vocabulary import Preset, ReleaseName, Role
from components.releases.flow_control import queues
from components.releases.metrics import EXPIRED, FAILURES, Metrics
from components.releases.picker_config import LONGEST_CONTEXT_BLOCKS, PickerConfig, Plugin, profiles, scorers
from components.releases.picker_dialect import CACHE, DISAGG_HANDLER, PD_HANDLER, PRECISE, PickerDialect, plugins_of
from components.releases.release import PickerResources, Release

BLOCK_TOKENS = 16
"""Tokens per block of the picker's prefix index, set where a decision hangs on it instead of tuned by metrics."""

DIALECT = PickerDialect(
    plugins=plugins_of("scheduler-0.7"),
    gates=frozenset({"dataLayer", "flowControl", "prepareDataPlugins"}),
    sections=frozenset({"saturationDetector", "data", "flowControl"}),
    handlers={
        "disagg-profile-handler": DISAGG_HANDLER,
        "pd-profile-handler": PD_HANDLER,
    },
    cache_gate="prepareDataPlugins",
    data_gate="dataLayer",
    characters=("blockSize", "blockSizeTokens"),
    # llm-d-kv-cache v0.7.1, pkg/tokenization/pool_uds.go: the image is built without a tokenizer of its own.
    tokenizer_at={PRECISE: "indexerConfig.tokenizersPoolConfig.uds", "tokenizer": "udsTokenizerConfig"},
    successors={
        "approx-prefix-cache-producer": "prefix-cache-scorer, which has its parameters",
        "precise-prefix-cache-producer": PRECISE,
        "label-selector-filter": "by-label-selector",
        "token-producer": "tokenizer",
        "core-metrics-extractor": "model-server-protocol-metrics",
    },
)


GUIDE_CACHE = {"maxPrefixBlocksToMatch": 256, "lruCapacityPerServer": 31250}
WHOLE_PROMPTS = {
    "autoTune": False,
    "blockSizeTokens": BLOCK_TOKENS,
    "maxPrefixBlocksToMatch": LONGEST_CONTEXT_BLOCKS,
    "lruCapacityPerServer": 31250,
}


def picker_config(non_cached_tokens: int | None, preset: Preset) -> PickerConfig:
    """`non_cached_tokens` counts tokens (characters / 4) of the prompt that no decode worker has cached.

    "Always" is a decider of its own: a 0 in the other one means never since v0.7.
    """
    selective = non_cached_tokens is not None
    decider = "prefix-based-pd-decider" if selective else "always-disagg-pd-decider"
    weights = scorers(preset, DIALECT.plugins, cached=selective or preset is not Preset.LOAD_AWARE)
    cache = WHOLE_PROMPTS if selective or preset is Preset.PREFIX_CACHE_AWARE else GUIDE_CACHE
    plugins = [
        Plugin(type="disagg-headers-handler"),
        Plugin(type="prefill-filter"),
        Plugin(type="decode-filter"),
        *(Plugin(type=name, parameters=cache if name == CACHE else None) for name in weights),
        Plugin(type="max-score-picker"),
        Plugin(type=decider, parameters={"nonCachedTokens": non_cached_tokens} if selective else None),
        Plugin(type="disagg-profile-handler", parameters={"deciders": {"prefill": decider}}),
    ]
    # Without the gate the decider never sees the prefix index and never disaggregates; v0.8 refuses it.
    return PickerConfig(
        feature_gates=["prepareDataPlugins"],
        plugins=plugins,
        scheduling_profiles=profiles(dict.fromkeys(Role, weights)),
    )


_NO_RETRIES = "the routing sidecar tries again since v0.9 (llm-d-router#1206)"
LACKS = {
    "routing.flowControl.maxRequests": "its queues are limited by bytes only",
    "routing.flowControl.saturation.concurrency": "its detector knows queues and KV caches only",
    "routing.experimentalPlugins": "the picker has plugins of stability Alpha, and a flag for them, since v0.10",
    "decode.sidecar.prefillRetries": _NO_RETRIES,
    "decode.sidecar.prefillRetryBackoff": _NO_RETRIES,
    "kvTransfer.connector=MoRIIOConnector": "the routing sidecar has flags for it since v0.10",
    "kvTransfer.leaseSeconds": "vLLM has the lease since vllm-project/vllm#41383; the one of the release has "
    "VLLM_NIXL_ABORT_REQUEST_TIMEOUT, a variable for the tiers' env",
}
"""What came after v0.7 of picker and sidecar, and after vLLM 0.17."""

V0_6 = Release(
    name=ReleaseName.V0_6,
    vllm="0.17.1",
    picker_image="ghcr.io/llm-d/llm-d-inference-scheduler:v0.7.1",
    sidecar_image="ghcr.io/llm-d/llm-d-routing-sidecar:v0.7.1",
    picker_flags={},  # any of the metric-name flags is a fatal error since v0.7
    picker_kinds={"inference.networking.x-k8s.io": ("inferenceobjectives", "inferencemodelrewrites")},
    picker_resources=PickerResources(cpu="4", memory="8Gi", memory_limit="16Gi"),
    picker_dialect=DIALECT,
    lacks=LACKS,
    queues=queues,
    picker_config=picker_config,
    server_port_flag="--vllm-port",
    traces_unasked=True,
    metrics=Metrics(
        decisions="llm_d_inference_scheduler_disagg_decision_total",
        transfer_failures=[*FAILURES, EXPIRED],
    ),
)
