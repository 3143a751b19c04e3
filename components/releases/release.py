"""What an llm-d release decides, so that an illegal mix cannot be spelled."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from components.config.routing import Selective
from components.config.vocabulary import FailureMode, Preset, ReleaseName
from components.releases.metrics import Metrics
from components.releases.picker_config import PickerConfig
from components.releases.picker_dialect import PickerDialect


@dataclass(frozen=True)
class PickerResources:
    """Resources of the endpoint picker in the release's chart; None is unset."""

    cpu: str | None = None
    memory: str | None = None
    memory_limit: str | None = None


@dataclass(frozen=True)
class Release:
    """Image pins and flag dialects of one llm-d release."""

    name: ReleaseName
    vllm: str
    """vLLM's version in the images, which decides what memory it takes (`sizing/engine.py`)."""
    picker_image: str
    sidecar_image: str
    picker_flags: Mapping[str, str]
    """Flags of the picker that this release needs beside those that all take."""
    picker_kinds: Sequence[str]
    """Kinds of inference.networking.x-k8s.io that it follows where they are served."""
    picker_resources: PickerResources
    picker_dialect: PickerDialect
    """What its configuration may say."""
    picker_config: Callable[[int | None, Preset], PickerConfig]
    """The picker's configuration: None disaggregates every request, a number only prompts with that many uncached
    units (`selective_unit`); the preset says what it weighs among the workers of a role."""
    selective_unit: str
    """The setting of `serving.routing.selectivePd` that this release's picker reads."""
    ignored_unit: str
    """The one that it would ignore."""
    failure_mode: FailureMode
    connector_flag: str
    """The sidecar's flag for the KV connector."""
    wider_prefill: bool
    """Whether vLLM's decode workers fetch KV blocks of prefill workers with more GPUs than they have."""
    traces: bool
    """Whether picker and sidecar make spans; if so, they do it unasked unless their environment says no."""
    vllm_traces: bool
    """Whether vLLM's images have what it needs to send traces: vLLM requires OpenTelemetry's packages since 0.17
    (vllm-project/vllm#34466), and stops at `--otlp-traces-endpoint` without them (vllm-project/vllm#27109)."""
    metrics: Metrics
    """What it calls the metrics that other releases call otherwise."""

    def selective_value(self, selective: Selective) -> int | None:
        """The number that this release reads from `selectivePd`, if it is given."""
        return {"threshold": selective.threshold, "nonCachedTokens": selective.non_cached_tokens}[self.selective_unit]
