"""The settings of the endpoint picker (EPP)."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag

from components.config.fields import Count, LabelKey, LabelValue, Quantity, null_word, wrong
from components.config.flow_control import Queueing
from components.config.strict import Strict
from components.config.tiers import Toleration
from components.config.vocabulary import FailureMode, Preset


def _uncached(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool) and value < 1:
        raise wrong(
            f"is {value}, which older EPPs read as always and newer ones as never",
            "the same file would disaggregate every request or none, depending on the release",
            "write `selectivePd: always`, or a number from 1",
        )
    return value


def _when(value: Any) -> Any:
    if not isinstance(value, (str, dict, Selective)):
        raise wrong(
            "is neither always nor an object: a bare number does not say in what unit",
            "releases count in different units, and read 0 as always or as never",
            "write always, {threshold: N} (release 0.4, characters) or {nonCachedTokens: N} (0.6 and newer, tokens)",
        )
    return value


Uncached = Annotated[int, BeforeValidator(_uncached), Field(json_schema_extra={"minimum": 1})]


class Selective(Strict):
    """Disaggregate only long prompts: one number, in the unit of the release's EPP."""

    threshold: Uncached | None = None
    """Release 0.4: characters of the prompt that no decode worker has cached."""
    non_cached_tokens: Uncached | None = None
    """Release >= 0.6: tokens (characters / 4) that no decode worker has cached."""


class Routing(Strict):
    """The endpoint picker (EPP): chooses the workers of each request."""

    preset: Preset = Preset.GUIDE
    """Weights of the scores by which the EPP chooses a worker: those of the release's guide, or more weight for cached
    prompts, or more weight for load (tuning.md)."""
    config: Annotated[dict[str, Any] | None, BeforeValidator(null_word)] = None
    """An EndpointPickerConfig of your own instead of `preset` and `selectivePd`: checked, then passed on as it is."""
    experimental_plugins: bool = False
    """Let `config` have plugins of stability Alpha (`--allow-experimental-plugins`; release 0.9 and newer)."""
    peak_prefill_throughput: Count | None = None
    """Prompt tokens per second that one prefill worker computes at most, by which preset `guide` of release 0.9 and
    newer decides when a warm worker is too busy; unset is the EPP's 15928 (a 32B model on 2 x H100)."""
    replicas: Count = 1
    """Number of EPP pods. Several elect a leader; only the leader is Ready and chooses workers."""
    selective_pd: Annotated[
        Annotated[Literal["always"], Tag("word")] | Annotated[Selective, Tag("object")],
        Discriminator(lambda given: "object" if isinstance(given, (dict, Selective)) else "word"),
        BeforeValidator(_when),
    ] = "always"
    """`always`: every request is disaggregated; or `{threshold: N}` / `{nonCachedTokens: N}`."""
    flow_control: Annotated[Queueing | None, BeforeValidator(null_word)] = None
    """Queues in the EPP and priorities (flow-control.md); unset: requests go to workers at once. Release 0.6 and
    newer."""
    failure_mode: FailureMode | None = None
    """What the gateway does while the EPP does not answer; default: the release's chart (0.4 FailClose, newer
    FailOpen)."""
    verbosity: Annotated[int, Field(ge=0, le=10)] = 1
    """The EPP's `--v` (chart: 1)."""
    image: str | None = Field(default=None, pattern=r"^\S+$")
    """The EPP's image; default: the release's."""
    cpu: Quantity | None = None
    """CPU request; default: the release's chart (0.4 none, newer 4)."""
    memory: Quantity | None = None
    """Memory request; default: the release's chart (0.4 none, newer 8Gi)."""
    memory_limit: Quantity | None = None
    """Memory limit; default: the release's chart (0.4 none, newer 16Gi)."""
    node_selector: dict[LabelKey, LabelValue] = {}
    """Labels of the nodes that may run the EPP."""
    tolerations: list[Toleration] = []
    """Taints that the EPP accepts."""
