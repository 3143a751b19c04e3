"""The settings of the endpoint picker (EPP) and of its queues."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag

from components.config.fields import Count, Fraction, LabelKey, LabelValue, ObjectName, Quantity, null_word, wrong
from components.config.strict import Strict
from components.config.tiers import Toleration
from components.config.vocabulary import FailureMode, Fairness, Ordering, Preset


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


class Priority(Strict):
    """Requests of one priority. A request names it by the InferenceObjective that the stack makes for it."""

    name: ObjectName
    """Its name, within this stack."""
    priority: Annotated[int, Field(ge=-(2**31), le=2**31 - 1)]
    """Higher ones go first. Below 0, requests are rejected instead of queued by some EPPs while workers are full."""
    fairness: Fairness | None = None
    """Which sender comes next (the header for fairness names the sender); unset is the EPP's globalStrict."""
    ordering: Ordering | None = None
    """Which request of a sender goes first; unset is the EPP's fcfs."""
    max_bytes: Quantity | None = None
    """Most bytes of requests that wait with this priority; unset is the EPP's 1 GB."""


class Saturation(Strict):
    """Load from which a worker counts as full. Requests wait in the EPP while the workers are full on average."""

    queue_depth: Count | None = None
    """Requests that wait at a worker; unset is the EPP's 5."""
    kv_cache: Fraction | None = None
    """Fraction of a worker's KV cache in use; unset is the EPP's 0.8."""
    concurrency: Count | None = None
    """Requests of a worker, as the EPP counts them; used instead of `queueDepth` and `kvCache`. Release 0.9 and
    newer."""


def _apart(given: list[Priority]) -> list[Priority]:
    for field in ("name", "priority"):
        values = [getattr(each, field) for each in given]
        if len({*values}) < len(values):
            raise wrong(
                f"has two entries with the same {field}",
                "one InferenceObjective or queue would take the place of the other",
                "give each entry its own",
            )
    return given


class Queueing(Strict):
    """Queues in the EPP, in which requests wait while the workers are full on average, and priorities."""

    max_bytes: Quantity | None = None
    """Most bytes of requests that wait in all queues; a further request is answered with 429. Unset: no limit."""
    max_requests: Count | None = None
    """Most requests that wait in all queues; a further request is answered with 429. Release 0.9 and newer."""
    request_ttl: Count | None = None
    """Seconds that a request may wait; then the answer is 503, or 429 from release 0.9 on. Unset is the EPP's default:
    no limit in 0.6, 60 from 0.9 on."""
    saturation: Saturation = Saturation.model_construct()
    """Load from which a worker counts as full."""
    priorities: Annotated[list[Priority], AfterValidator(_apart)] = []
    """Priorities in addition to 0, which requests without a priority have."""


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
