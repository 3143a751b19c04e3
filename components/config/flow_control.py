"""Settings of the queues in the endpoint picker."""

from typing import Annotated

from pydantic import AfterValidator, Field

from components.config.fields import Count, Fraction, ObjectName, Quantity, wrong
from components.config.strict import Strict
from components.config.vocabulary import Fairness, Ordering


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
    """Most that waits with this priority; unset is the EPP's 1 GB."""


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
    """Most that waits in all queues; a request beyond it is answered with 429. Unset: no limit."""
    max_requests: Count | None = None
    """Most requests that wait in all queues; a further request is answered with 429. Release 0.9 and newer."""
    request_ttl: Count | None = None
    """Seconds that a request may wait: then 503, or 429 from release 0.9 on. Unset is the EPP's: no limit in 0.6, 60
    from 0.9 on."""
    saturation: Saturation = Saturation.model_construct()
    """Load from which a worker counts as full."""
    priorities: Annotated[list[Priority], AfterValidator(_apart)] = []
    """Priorities in addition to 0, which requests without a priority have."""
