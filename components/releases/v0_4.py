"""llm-d 0.4: picker and sidecar v0.4.0 on Gateway API inference extension v1.2, vLLM about 0.11.2.

Source: the AMD guide's charts (inferencepool v1.2.0, modelservice v0.3.17).
"""

from components.config.vocabulary import FailureMode, ReleaseName
from components.releases.release import Config, PickerResources, Release, picker_document, profile

BLOCK_CHARACTERS = 5
"""Characters per hash block (guide: hashBlockSize 5); handler and scorer must agree, or cached prompts look new."""


def picker_config(threshold: int | None) -> Config:
    """`threshold` counts characters of the prompt that no decode worker has cached; 0 is the guide's "always"."""
    selective = threshold is not None
    plugins: list[Config] = [
        {"type": "prefill-header-handler"},
        {"type": "prefill-filter"},
        {"type": "decode-filter"},
        {"type": "queue-scorer"},
        {"type": "max-score-picker"},
        {
            "type": "pd-profile-handler",
            "parameters": {"threshold": threshold or 0, "hashBlockSize": BLOCK_CHARACTERS},
        },
    ]
    scorers: list[tuple[str, int | None]] = [("queue-scorer", 1)]
    if selective:  # without the scorer nothing ever counts as cached
        cache = {
            "autoTune": False,
            "blockSize": BLOCK_CHARACTERS,
            "maxPrefixBlocksToMatch": 256,
            "lruCapacityPerServer": 31250,
        }
        plugins.insert(3, {"type": "prefix-cache-scorer", "parameters": cache})
        scorers.insert(0, ("prefix-cache-scorer", 2))
    profiles = [
        profile(role, (f"{role}-filter", None), *scorers, ("max-score-picker", None)) for role in ("prefill", "decode")
    ]
    return picker_document(plugins, profiles)


V0_4 = Release(
    name=ReleaseName.V0_4,
    picker_image="ghcr.io/llm-d/llm-d-inference-scheduler:v0.4.0",
    sidecar_image="ghcr.io/llm-d/llm-d-routing-sidecar:v0.4.0",
    # The picker's default is still the metric's name before vLLM 0.10, which no worker exports.
    picker_flags={"--kv-cache-usage-percentage-metric": "vllm:kv_cache_usage_perc"},
    picker_resources=PickerResources(),
    picker_config=picker_config,
    selective_unit="threshold",
    ignored_unit="nonCachedTokens",
    failure_mode=FailureMode.FAIL_CLOSE,
    connector_flag="--connector",
)
