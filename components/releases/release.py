"""What an llm-d release decides, so that an illegal mix cannot be spelled."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from components.config.routing import Queueing, Selective
from components.config.vocabulary import FailureMode, Preset, ReleaseName, Role
from components.releases.metrics import Metrics
from components.releases.picker_config import EndpointPickerConfig, PickerConfig
from components.releases.picker_dialect import PickerDialect

BOTH = "kv_both"
"""A worker that may be on either end of a transfer. NixlConnector of vLLM 0.11 to 0.17 takes every role alike
(vllm-project/vllm, docs/features/nixl_connector_usage.md, "KV Role Options"); newer ones deprecate this one
(vllm-project/vllm#43807)."""

APART = {Role.PREFILL: "kv_producer", Role.DECODE: "kv_consumer"}
"""What vLLM wants since 0.23 (vllm-project/vllm#43807, #43874; llm-d/llm-d#1715)."""


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
    picker_kinds: Mapping[str, Sequence[str]]
    """Kinds that it follows where they are served, by API group."""
    picker_resources: PickerResources
    picker_dialect: PickerDialect
    picker_config: Callable[[int | None, Preset], EndpointPickerConfig]
    """The picker's configuration: None disaggregates every request, a number only prompts with that many uncached
    units (`selective_unit`); the preset says what it weighs among the workers of a role."""
    server_port_flag: str
    metrics: Metrics
    """What it calls the metrics that other releases call otherwise."""
    picker_flags: Mapping[str, str] = field(default_factory=dict)
    """Flags of the picker that this release needs beside those that all take."""
    selective_unit: str = "nonCachedTokens"
    """The setting of `serving.routing.selectivePd` that this release's picker reads."""
    failure_mode: FailureMode = FailureMode.FAIL_OPEN
    connector_flag: str = "--kv-connector"
    wider_prefill: bool = True
    """Whether vLLM's decode workers fetch KV blocks of prefill workers with more GPUs than they have."""
    traces: bool = True
    traces_unasked: bool = False
    """Whether they make spans unless their environment says no; otherwise a flag asks for them."""
    vllm_traces: bool = True
    """Whether vLLM's images have what it needs to send traces: vLLM requires OpenTelemetry's packages since 0.17
    (vllm-project/vllm#34466), and stops at `--otlp-traces-endpoint` without them (vllm-project/vllm#27109)."""
    lacks: Mapping[str, str] = field(default_factory=dict)
    """Settings that its programs do not have, by path, with the reason; those of `kvTransfer` in a tier, too."""
    queues: Callable[[EndpointPickerConfig, Queueing], EndpointPickerConfig] | None = None
    """The picker's configuration with flow control; None: it has none."""
    objectives: str = "inference.networking.x-k8s.io/v1alpha2"
    objective_header: str = "x-gateway-inference-objective"
    """Header of a request with the name of its InferenceObjective."""
    kv_roles: Mapping[Role, str] = field(default_factory=lambda: dict.fromkeys(Role, BOTH))
    """`kv_role` of a tier unless it says another."""
    picker_shape: type[EndpointPickerConfig] = PickerConfig
    picker_protocol: str | None = None
    watched: Sequence[tuple[str, str]] = ()
    """Version and kind of what the picker waits for at its start, whether it is served or not."""
    worker_env: Mapping[str, str] = field(default_factory=dict)
    """Variables that vLLM of the release needs with every accelerator."""
    attention_variable: bool = False
    known_ucx: bool = True
    """Whether the transports of UCX in its images are known (`plan/checks/network.py`)."""
    handshake_hash: bool = True
    """Whether NIXL's handshake compares a hash of both configurations."""
    prefill_failure: str = "the routing sidecars let decode workers compute the prompts"
    """What follows from a prefill leg that fails, in the words of an alert."""

    @property
    def ignored_unit(self) -> str:
        """The setting of `selectivePd` that the picker does not read."""
        return "threshold" if self.selective_unit == "nonCachedTokens" else "nonCachedTokens"

    def selective_value(self, selective: Selective) -> int | None:
        """The number that this release reads from `selectivePd`, if it is given."""
        return {"threshold": selective.threshold, "nonCachedTokens": selective.non_cached_tokens}[self.selective_unit]
