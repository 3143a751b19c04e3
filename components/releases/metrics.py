"""Names of metrics that differ between releases; those that all have stand where they are used.

Sources: scrapes of the pickers, which `tests/sandbox/monitoring` repeats, and vLLM's own code at the release's version.
"""

from dataclasses import dataclass

FAILURES = ("vllm:nixl_num_failed_transfers_total", "vllm:nixl_num_failed_notifications_total")
"""KV transfers, and the notifications after them, that failed (vLLM from 0.11.1 on)."""


@dataclass(frozen=True)
class Metrics:
    """What a release calls things."""

    decisions: str
    """The picker's counter of decisions, by `decision_type`: prefill-decode or decode-only."""
    transfer_failures: tuple[str, ...]
    """vLLM's counters of KV transfers gone wrong."""
