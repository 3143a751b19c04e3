"""Names of metrics that differ between releases; those that all have stand where they are used.

Sources: scrapes of the pickers, which `tests/sandbox/monitoring` repeats, and vLLM's own code at the release's version.
"""

from components.args import Args

FAILURES = ("vllm:nixl_num_failed_transfers_total", "vllm:nixl_num_failed_notifications_total")
"""KV transfers, and the notifications after them, that failed (vLLM from 0.11.1 on)."""


EXPIRED = "vllm:nixl_num_kv_expired_reqs_total"
"""Blocks that decode never fetched, which the prefill worker then drops (vLLM from 0.15 on)."""


class Metrics(Args):
    """What a release calls things."""

    decisions: str
    """The picker's counter of decisions, by `decision_type`: prefill-decode or decode-only."""
    transfer_failures: list[str]
    """vLLM's counters of KV transfers gone wrong."""
    requests: str = "inference_objective_request_total"
    """The picker's counter of requests."""
    errors: str = "inference_objective_request_error_total"
    """The picker's counter of requests that ended with an error, by `error_code`."""
    duration: str = "inference_objective_request_duration_seconds"
    """The picker's histogram of whole requests."""
    ready: str = "inference_pool_ready_pods"
    """The picker's number of workers."""
    queue: str = "inference_pool_per_pod_queue_size"
    """Requests that wait at a worker, as the picker knows it."""
    queue_by: str = "model_server_pod"
    """The label with the worker's name."""
    scheduling: str = "inference_extension_scheduler_e2e_duration_seconds"
    """The picker's histogram of its own decisions."""
    queued: str = "inference_extension_flow_control_queue_size"
    """Requests in the picker's queues, by `priority`."""
    queue_duration: str = "inference_extension_flow_control_request_queue_duration_seconds"
    """The picker's histogram of their waiting, by `priority` and `outcome`."""


ROUTER = Metrics(
    decisions="llm_d_epp_disagg_decision_total",
    transfer_failures=[*FAILURES, EXPIRED],
    requests="llm_d_epp_request_total",
    errors="llm_d_epp_request_error_total",
    duration="llm_d_epp_request_duration_seconds",
    ready="llm_d_epp_ready_endpoints",
    queue="llm_d_epp_per_endpoint_queue_size",
    queue_by="model_server_endpoint",
    scheduling="llm_d_epp_scheduler_e2e_duration_seconds",
    queued="llm_d_epp_flow_control_queue_size",
    queue_duration="llm_d_epp_flow_control_request_queue_duration_seconds",
)
"""The pickers of llm-d-router (v0.10.0, pkg/epp/metrics/llm_d_router_metrics.go and
pkg/epp/framework/plugins/scheduling/profilehandler/disagg/metrics.go). The older names are deprecated there."""
