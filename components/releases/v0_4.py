"""llm-d 0.4: picker and sidecar v0.4.0 on Gateway API inference extension v1.2, vLLM about 0.11.2.

Source: the AMD guide's charts (inferencepool v1.2.0, modelservice v0.3.17).
"""

from components.config.vocabulary import FailureMode, Preset, ReleaseName, Role
from components.releases.metrics import FAILURES, Metrics
from components.releases.picker_config import LONGEST_CONTEXT_BLOCKS, PickerConfig, Plugin, profiles, scorers
from components.releases.picker_dialect import CACHE, Handler, PickerDialect, plugins_of
from components.releases.release import PickerResources, Release
from components.releases.v0_6 import LACKS

GUIDE_BLOCK = 5
"""Characters per hash block in the guide. Its threshold of 0 never counts them."""
BLOCK_CHARACTERS = 64
"""Characters per hash block where the threshold counts: 16 tokens, as in release 0.6. Handler and scorer must agree, or
cached prompts look new; with blocks of 5 the scorer's index would hold 40k tokens per worker."""

DIALECT = PickerDialect(
    plugins=plugins_of("scheduler-0.4"),
    gates=frozenset({"dataLayer", "flowControl"}),
    sections=frozenset({"saturationDetector"}),
    handlers={
        "pd-profile-handler": Handler(
            profile_at={Role.PREFILL: ("prefillProfile",), Role.DECODE: ("decodeProfile",)},
            cache_at="prefixPluginName",
            only_its_profiles=True,
        )
    },
    amount_at=("pd-profile-handler", "threshold"),
    zero_is_never=False,
    block_sizes=("hashBlockSize", "blockSize"),
    fractional_weights=False,
    # kubernetes-sigs/gateway-api-inference-extension#1958
    weightless_after_picker=False,
    events_endpoint="tcp://*:5557",
    discovers_events=False,
    successors={
        "disagg-headers-handler": "prefill-header-handler",
        "disagg-profile-handler": "pd-profile-handler",
        "prefix-based-pd-decider": "the threshold of pd-profile-handler",
        "always-disagg-pd-decider": "threshold: 0 of pd-profile-handler",
        "running-requests-size-scorer": "active-request-scorer",
    },
)


CACHE_PARAMETERS = {
    "autoTune": False,
    "blockSize": BLOCK_CHARACTERS,
    "maxPrefixBlocksToMatch": LONGEST_CONTEXT_BLOCKS,
    "lruCapacityPerServer": 31250,
}


def picker_config(threshold: int | None, preset: Preset) -> PickerConfig:
    """`threshold` counts characters of the prompt that no decode worker has cached; 0 is the guide's "always".

    The guide has no prefix cache, without which nothing ever counts as cached. This picker remembers the prompts of
    decode workers alone.
    """
    cached = threshold is not None or preset is Preset.PREFIX_CACHE_AWARE
    weights = scorers(preset, DIALECT.plugins, cached=cached)
    plugins = [
        Plugin(type="prefill-header-handler"),
        Plugin(type="prefill-filter"),
        Plugin(type="decode-filter"),
        *(Plugin(type=name, parameters=CACHE_PARAMETERS if name == CACHE else None) for name in weights),
        Plugin(type="max-score-picker"),
        Plugin(
            type="pd-profile-handler",
            parameters={"threshold": threshold or 0, "hashBlockSize": BLOCK_CHARACTERS if cached else GUIDE_BLOCK},
        ),
    ]
    return PickerConfig(plugins=plugins, scheduling_profiles=profiles(dict.fromkeys(Role, weights)))


V0_4 = Release(
    name=ReleaseName.V0_4,
    vllm="0.11.2",
    picker_image="ghcr.io/llm-d/llm-d-inference-scheduler:v0.4.0",
    sidecar_image="ghcr.io/llm-d/llm-d-routing-sidecar:v0.4.0",
    # The picker's default is still the metric's name before vLLM 0.10, which no worker exports.
    picker_flags={"--kv-cache-usage-percentage-metric": "vllm:kv_cache_usage_perc"},
    picker_kinds={"inference.networking.x-k8s.io": ("inferenceobjectives",)},
    picker_resources=PickerResources(),
    picker_dialect=DIALECT,
    lacks={
        **LACKS,
        "routing.flowControl": "its picker has the gate, and no section of its configuration for limits and priorities",
        "kvTransfer.failurePolicy": "vLLM 0.11 has no kv_load_failure_policy, and recomputes",
    },
    picker_config=picker_config,
    selective_unit="threshold",
    failure_mode=FailureMode.FAIL_CLOSE,
    server_port_flag="--vllm-port",
    connector_flag="--connector",
    wider_prefill=False,  # vLLM before 0.13 (vllm-project/vllm#27274)
    traces=False,
    vllm_traces=False,
    watched=(("inference.networking.x-k8s.io/v1alpha2", "InferenceObjective"),),
    attention_variable=True,
    handshake_hash=False,
    metrics=Metrics(decisions="llm_d_inference_scheduler_pd_decision_total", transfer_failures=[*FAILURES]),
)
