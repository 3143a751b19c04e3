"""llm-d 0.6: picker and sidecar v0.7.1 on Gateway API inference extension v1.4, vLLM 0.17.1.

Source: the newest helmfile version of the guide (inferencepool v1.4.0, modelservice v0.4.9).
"""

from components.config.vocabulary import FailureMode, ReleaseName
from components.releases.release import Config, PickerResources, Release, picker_document, profile

BLOCK_TOKENS = 16
"""Tokens per block of the picker's prefix index, set where a decision hangs on it instead of tuned by metrics."""


def picker_config(non_cached_tokens: int | None) -> Config:
    """`non_cached_tokens` counts tokens (characters / 4) of the prompt that no decode worker has cached.

    "Always" is a decider of its own: a 0 in the other one means never since v0.7.
    """
    selective = non_cached_tokens is not None
    decider = "prefix-based-pd-decider" if selective else "always-disagg-pd-decider"
    cache: Config = {"maxPrefixBlocksToMatch": 256, "lruCapacityPerServer": 31250}
    decision: Config = {"type": decider}
    if selective:
        cache = {"autoTune": False, "blockSizeTokens": BLOCK_TOKENS, **cache}
        decision["parameters"] = {"nonCachedTokens": non_cached_tokens}
    plugins: list[Config] = [
        {"type": "disagg-headers-handler"},
        {"type": "prefill-filter"},
        {"type": "decode-filter"},
        {"type": "prefix-cache-scorer", "parameters": cache},
        {"type": "queue-scorer"},
        {"type": "max-score-picker"},
        decision,  # before the handler that refers to it
        {"type": "disagg-profile-handler", "parameters": {"deciders": {"prefill": decider}}},
    ]
    profiles = [
        profile(
            role,
            (f"{role}-filter", None),
            ("prefix-cache-scorer", 2),
            ("queue-scorer", 1),
            ("max-score-picker", None),
        )
        for role in ("prefill", "decode")
    ]
    # Without the gate the decider never sees the prefix index and never disaggregates; v0.8 refuses it.
    return picker_document(plugins, profiles, gates=["prepareDataPlugins"])


V0_6 = Release(
    name=ReleaseName.V0_6,
    picker_image="ghcr.io/llm-d/llm-d-inference-scheduler:v0.7.1",
    sidecar_image="ghcr.io/llm-d/llm-d-routing-sidecar:v0.7.1",
    picker_flags={},  # any of the metric-name flags is a fatal error since v0.7
    picker_resources=PickerResources(cpu="4", memory="8Gi", memory_limit="16Gi"),
    picker_config=picker_config,
    selective_unit="nonCachedTokens",
    ignored_unit="threshold",
    failure_mode=FailureMode.FAIL_OPEN,
    connector_flag="--kv-connector",
)
